"""The sub-process itself: what it is told, what it says, and that it never outlives us."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from antigravity.processes import guarded as module
from antigravity.processes.command import Command
from antigravity.processes.guarded import GuardedProcess, spawn
from tests.support.conditions import eventually, wait_until
from tests.support.processes import is_alive
from tests.tunnel.fake_cloudflared import REQUESTING, FakeCloudflared

GUARD = Path(module.__file__).with_name("guard.py")


class ProcessTests(TestCase):
    """The stand-in behind the guard, in the reactor."""

    def start(self, *plays: Any) -> None:
        self.cloudflared = FakeCloudflared(Path(self.mktemp()).absolute(), *plays)
        self.lines: list[str] = []
        self.ended: Deferred[int | None] = Deferred()
        command = Command(
            self.cloudflared.path, ("tunnel", "--x"), {"TUNNEL_TOKEN": "t"}, self.cloudflared.folder
        )
        self.process: GuardedProcess = spawn(
            reactor, command, self.lines.append, self.ended.callback
        )
        self.addCleanup(self.gone)

    async def gone(self) -> None:
        self.process.stop()
        if not self.ended.called:
            await self.ended

    async def seen(self) -> Any:
        while (found := self.cloudflared.seen()) is None:
            await deferLater(reactor, 0.01)
        return found

    async def test_process_gets_arguments_and_given_environment_only(self) -> None:
        os.environ["ANTIGRAVITY_TEST_LEAK"] = "1"
        self.addCleanup(os.environ.pop, "ANTIGRAVITY_TEST_LEAK")
        self.start([["say", REQUESTING], ["exit", 3]])
        self.assertEqual(await self.ended, 3)
        self.assertEqual(self.lines, [REQUESTING])
        seen = self.cloudflared.seen()
        self.assertEqual(seen["argv"], ["tunnel", "--x"])
        self.assertEqual(seen["cwd"], str(self.cloudflared.folder))
        self.assertEqual(seen["environ"]["TUNNEL_TOKEN"], "t")
        strangers = set(seen["environ"]) - {"TUNNEL_TOKEN", "PWD", "SHLVL", "_", "OLDPWD"}
        self.assertLessEqual(strangers, {"LC_CTYPE"})

    async def test_leave_terminates_process(self) -> None:
        self.start([["stay"]])
        pid = (await self.seen())["pid"]
        self.process.leave()
        self.assertEqual(await self.ended, 0)
        await eventually(lambda: not is_alive(pid))
        self.assertIn("graceful shutdown", self.lines[-1])

    async def test_process_that_ignores_sigterm_is_killed(self) -> None:
        self.patch(module, "GRACE", 0.2)
        self.start([["deaf"], ["say", "deaf"], ["stay"]])
        pid = (await self.seen())["pid"]
        while not self.lines:
            await deferLater(reactor, 0.01)
        self.process.leave()
        self.process.stop()
        self.assertEqual(await self.ended, 128 + signal.SIGKILL)
        await eventually(lambda: not is_alive(pid))

    async def test_hanging_guard_is_killed_with_its_program(self) -> None:
        self.patch(module, "_KILL_TIMEOUT", 0.1)
        self.patch(module, "GRACE", 0.1)
        self.start([["stay"]])
        pid = (await self.seen())["pid"]
        transport: Any = self.process.transport
        os.kill(transport.pid, signal.SIGSTOP)
        self.process.stop()
        self.assertIsNone(await self.ended)
        wait_until(lambda: not is_alive(pid))

    async def test_program_that_cannot_start_is_reported(self) -> None:
        self.start([["stay"]])
        await self.gone()
        self.cloudflared.path.write_text("\0 no program")
        ended: Deferred[int | None] = Deferred()
        lines: list[str] = []
        command = Command(self.cloudflared.path, (), {}, self.cloudflared.folder)
        spawn(reactor, command, lines.append, ended.callback)
        self.assertEqual(await ended, 127)
        self.assertEqual(lines, [f"cannot start cloudflared: {os.strerror(errno.ENOEXEC)}"])

    async def test_missing_directory_is_named(self) -> None:
        self.start([["stay"]])
        await self.gone()
        ended: Deferred[int | None] = Deferred()
        lines: list[str] = []
        folder = self.cloudflared.folder / "gone"
        spawn(reactor, Command(self.cloudflared.path, (), {}, folder), lines.append, ended.callback)
        self.assertEqual(await ended, 127)
        self.assertEqual(
            lines, [f"cannot start cloudflared in {folder}: {os.strerror(errno.ENOENT)}"]
        )

    async def test_lines_are_whole_for_any_chunks(self) -> None:
        lines: list[str] = []
        process = GuardedProcess(reactor, lines.append, lambda code: None)  # type: ignore[arg-type]
        for piece in (b"on", b"e\ntwo\r\n\n", b"th\xc3", b"\xa9\nfo"):
            process.childDataReceived(2, piece)
        process.childDataReceived(1, b"other\n")
        self.assertEqual(lines, ["one", "two", "th\xe9", "other"])
        process.childDataReceived(2, b"x" * 100_000)
        self.assertEqual(len(lines), 5)


class OrphanTests(SynchronousTestCase):
    """Whoever is killed: cloudflared is not left behind."""

    def start(self) -> tuple[subprocess.Popen[str], int]:
        """Start a process that starts the guard and then waits; return it, and cloudflared's id."""
        cloudflared = FakeCloudflared(Path(self.mktemp()).absolute(), [["stay"]])
        code = (
            "import subprocess, sys, time\n"
            "guard = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE)\n"
            "print(guard.pid, flush=True)\n"
            "time.sleep(600)\n"
        )
        guard = [sys.executable, "-I", "-S", str(GUARD), "5", "-", str(cloudflared.folder)]
        gateway = subprocess.Popen(
            [sys.executable, "-c", code, *guard, str(cloudflared.path)],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(gateway.wait)
        self.addCleanup(gateway.kill)
        assert gateway.stdout is not None
        self.addCleanup(gateway.stdout.close)
        pid = int(wait_until(cloudflared.seen)["pid"])
        self.addCleanup(self.kill, pid)
        return gateway, pid

    def kill(self, pid: int) -> None:
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)
            self.fail(f"{pid} was left behind")

    def test_program_ends_when_gateway_is_killed(self) -> None:
        gateway, pid = self.start()
        self.assertTrue(is_alive(pid))
        gateway.kill()
        wait_until(lambda: not is_alive(pid))

    def test_program_ends_when_guard_is_killed(self) -> None:
        gateway, pid = self.start()
        assert gateway.stdout is not None
        guard = int(gateway.stdout.readline())
        os.kill(guard, signal.SIGKILL)
        wait_until(lambda: not is_alive(pid))

    if not sys.platform.startswith("linux"):
        test_program_ends_when_guard_is_killed.skip = "only Linux does that"  # type: ignore[attr-defined]

    def test_program_ends_when_guard_is_terminated(self) -> None:
        gateway, pid = self.start()
        assert gateway.stdout is not None
        os.kill(int(gateway.stdout.readline()), signal.SIGTERM)
        wait_until(lambda: not is_alive(pid))
