"""The process of a worker, under ``twistd``: its start, its log, its signals and its end."""

from __future__ import annotations

import shutil
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
from twisted.application.service import IService
from twisted.internet.defer import inlineCallbacks
from twisted.logger import ILogObserver

from antigravity.app.runtime import Configure, LoadedConfiguration
from antigravity.app.worker_gateway import WorkerGateway, WorkerTask
from antigravity.daemon.exit_code import ExitCode
from antigravity.daemon.interpreter import Interpreter
from antigravity.daemon.log_lines import LineObserver
from antigravity.logs import make_logger
from antigravity.services import SequentialService
from antigravity.workers.commands import Listening
from antigravity.workers.link import MainProcess
from antigravity.workers.worker import CHANNEL, Command

log = make_logger()

#: Runs ``twistd`` in this interpreter; ``-P`` keeps the working directory out of its imports.
_TWISTD: Final = ("-P", "-c", "from twisted.scripts.twistd import run; run()")


class Paths(Protocol):
    """Where workers find what the main process has."""

    @property
    def state_url(self) -> str:
        """The address of the shared state."""

    @property
    def relay_socket(self) -> Path:
        """The socket to which connections are passed on."""

    @property
    def connections_file(self) -> Path:
        """The table of open connections."""


def worker_command(loop: Any, options: Mapping[str, Any], paths: Callable[[], Paths]) -> Command:
    """Return what returns the command of a worker, which gets the options of this process."""
    reactor = type(loop).__module__.rpartition(".")[2].removesuffix("reactor")

    def command(sockets: Sequence[Listening], place: int) -> list[str]:
        known = paths()
        task = WorkerTask(
            CHANNEL,
            sockets,
            known.state_url,
            str(known.relay_socket),
            str(known.connections_file),
            place,
        )
        found = [
            sys.executable,
            *_TWISTD,
            "--nodaemon",
            "--pidfile=",
            f"--reactor={reactor}",
            "antigravity",
            f"--worker={msgspec.json.encode(task).decode()}",
        ]
        found += [f"--listen={each}" for each in options["listen"]]
        for name in ("port", "home", "config"):
            if options[name] is not None:
                found.append(f"--{name}={options[name]}")
        return found

    return command


class _Process(SequentialService):
    """The services of the process, whose log the main process writes."""

    def __init__(self, loop: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._loop = loop

    def setServiceParent(self, parent: Any) -> None:
        """Belong to an application, and write the log for the main process."""
        parent.setComponent(ILogObserver, LineObserver(sys.stdout, self._loop))
        super().setServiceParent(parent)  # type: ignore[no-untyped-call]


def make_worker_service(
    loop: Any,
    task: str,
    home: Path,
    configured: LoadedConfiguration,
    configure: Configure,
) -> IService:
    """Return the worker with a task, which the main process has encoded as JSON.

    :param configure: reads the configuration again.
    """
    services = _Process(loop)
    exit_code = ExitCode()

    def end() -> None:
        loop.callLater(0, lambda: loop.stop() if loop.running else None)

    @inlineCallbacks
    def failed(error: BaseException) -> Any:
        exit_code.fail()
        log.error("the worker cannot start: {error}", error=str(error))
        yield main.tell_failed(str(error) or type(error).__name__)
        end()

    def main_lost() -> None:
        # Its directory of sockets; the other workers may be faster.
        shutil.rmtree(Path(known.relay).parent, ignore_errors=True)
        end()

    known = msgspec.json.decode(task, type=WorkerTask)
    main = MainProcess(loop, main_lost)
    gateway = WorkerGateway(
        loop,
        configured.settings,
        home,
        configured.plugins,
        source=configured.source,
        configure=configure,
        failed=failed,
        task=known,
        main=main,
        end=end,
    )
    gateway.setServiceParent(services)  # type: ignore[no-untyped-call]
    Interpreter(loop, gateway).setServiceParent(services)  # type: ignore[no-untyped-call]
    loop.callWhenRunning(_ignore_terminal)
    return services


def _ignore_terminal() -> None:
    """Leave Ctrl-C and a lost terminal to the main process, which gets them, too."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
