"""Programs that are talked to, and what they start: nothing of it is left behind."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from antigravity.processes import guarded as module
from antigravity.processes.command import Command
from antigravity.processes.guarded import GuardedProcess, spawn
from antigravity.processes.log_lines import LogLineCleaner
from tests.support.conditions import eventually
from tests.support.processes import is_alive

ECHO = "import sys\nfor line in sys.stdin:\n    print(line.upper(), end='', flush=True)\n"
#: Starts a program that ignores SIGTERM, says its id, and ends or stays.
PARENT = """
import subprocess, sys
code = "import signal, time; signal.signal(15, 1); print(1, flush=True); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
if {stay}:
    sys.stdin.read()
"""


class GuardedProcessTests(TestCase):
    """A program with a standard input."""

    def start(self, code: str) -> None:
        self.output = b""
        self.lines: list[str] = []
        self.ended: Deferred[int | None] = Deferred()
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        command = Command(Path(sys.executable), ("-c", code), {"PATH": os.defpath}, self.folder)
        self.process: GuardedProcess = spawn(
            reactor, command, self.lines.append, self.ended.callback, self.hear
        )
        self.addCleanup(self.gone)

    def hear(self, data: bytes) -> None:
        self.output += data

    async def gone(self) -> None:
        self.process.stop()
        if not self.ended.called:
            await self.ended

    async def test_program_reads_input_and_ends_with_it(self) -> None:
        self.start(ECHO + "print('bye', file=sys.stderr)\n")
        self.assertTrue(self.process.write(b"one\n"))
        await eventually(lambda: self.output == b"ONE\n")
        self.process.close_input()
        self.assertEqual(await self.ended, 0)
        self.assertEqual(self.lines, ["bye"])
        self.assertFalse(self.process.write(b"two\n"))

    async def test_program_starts_in_directory_with_given_environment(self) -> None:
        self.start("import os, sys; print(os.getcwd(), sorted(set(os.environ) - {'LC_CTYPE'}))")
        self.assertEqual(await self.ended, 0)
        self.assertEqual(self.output.decode().split(" ", 1), [str(self.folder), "['PATH']\n"])

    async def test_start_does_not_fork_gateway(self) -> None:
        def refuse() -> int:
            raise AssertionError("a process with threads must not be forked")

        self.patch(os, "fork", refuse)
        self.start(ECHO)
        self.process.close_input()
        self.assertEqual(await self.ended, 0)

    async def test_program_inherits_no_file_descriptors(self) -> None:
        kept, other = os.pipe()
        self.addCleanup(os.close, kept)
        self.addCleanup(os.close, other)
        os.set_inheritable(other, True)
        self.start(f"import os\ntry: os.fstat({other})\nexcept OSError: print('closed')")
        self.assertEqual(await self.ended, 0)
        self.assertEqual(self.output, b"closed\n")

    async def test_large_messages_are_whole_and_in_order(self) -> None:
        self.start(ECHO)
        lines = [letter * 1_000_000 + b"\n" for letter in (b"a", b"b", b"c")]
        for line in lines:
            self.assertTrue(self.process.write(line))
        await eventually(lambda: len(self.output) == 3_000_003)
        self.assertEqual(self.output, b"".join(lines).upper())

    async def test_write_fails_over_limit_when_program_does_not_read(self) -> None:
        self.patch(module._Input, "LIMIT", 200_000)
        self.start("import time; time.sleep(600)")
        taken = [self.process.write(b"x" * 100_000) for _ in range(6)]
        self.assertTrue(taken[0])
        self.assertFalse(taken[-1])

    async def test_children_end_with_program(self) -> None:
        self.start(PARENT.format(stay=False))
        await self.ended
        await eventually(lambda: not is_alive(int(self.output)))

    async def test_children_are_killed_with_program(self) -> None:
        self.patch(module, "GRACE", 0.2)
        self.start(PARENT.format(stay=True))
        await eventually(lambda: self.output.endswith(b"\n"))
        pid = int(self.output)
        self.assertTrue(is_alive(pid))
        await self.gone()
        await eventually(lambda: not is_alive(pid))

    async def test_program_is_killed_with_guard(self) -> None:
        self.start("import os, time; print(os.getpid(), flush=True); time.sleep(600)")
        await eventually(lambda: self.output.endswith(b"\n"))
        transport: Any = self.process.transport
        os.kill(transport.pid, signal.SIGKILL)
        self.assertIsNone(await self.ended)
        await eventually(lambda: not is_alive(int(self.output)))

    if not sys.platform.startswith("linux"):
        test_program_is_killed_with_guard.skip = (  # type: ignore[attr-defined]
            "only Linux does that"
        )


def test_log_lines_are_cleaned() -> None:
    cleaner = LogLineCleaner(["s3cret-token", "", "no"])
    assert cleaner.clean("\x1b[31mkey s3cret-token\x07 no \r") == "key [redacted] no"
    assert cleaner.clean("x" * 5000) == "x" * 1000 + "…"
    assert "[redacted]" in cleaner.clean("auth eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.x")
