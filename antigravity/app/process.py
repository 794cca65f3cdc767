"""The gateway as a process of ``twistd``: the first configuration, reloads and signals."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from twisted.application.service import IService
from twisted.internet.error import CannotListenError
from twisted.python.failure import Failure
from txaio import tx as txaio

from antigravity.accounts.files import AccountFiles
from antigravity.app.gateway import Gateway
from antigravity.app.home_log_file import HomeLogFile
from antigravity.app.running_parts import Predecessor
from antigravity.app.running_record import RunningRecord
from antigravity.app.runtime import LoadedConfiguration
from antigravity.app.succession import CurrentGateway
from antigravity.config.errors import ConfigurationError
from antigravity.config.file_watcher import FileWatcher, open_events, watched_files
from antigravity.config.home import FILE_NAME, find_home, prepare_home
from antigravity.config.known_names import KnownNames
from antigravity.config.last_run import read_last_run
from antigravity.config.replacement_checks import check_replacement, check_start
from antigravity.config.running_gateway import RunningGateway, find_running_gateway
from antigravity.config.settings import Settings, effective_auth_mode
from antigravity.config.snapshot import Configuration, load
from antigravity.daemon.exit_code import ExitCode
from antigravity.daemon.interpreter import Interpreter
from antigravity.daemon.log_output import write_log
from antigravity.daemon.steady_clock import install as install_steady_clock
from antigravity.logs import make_logger
from antigravity.plugins import PluginHost
from antigravity.services import Closing, SequentialService
from antigravity.version import VERSION

log = make_logger()

_OTHER_PORT: Final = "Choose another port with --port or proxy.port."
#: What to do if a port cannot be opened for these reasons.
_LISTEN_REMEDIES: Final = {
    errno.EADDRINUSE: f"Another program uses it. {_OTHER_PORT}",
    errno.EADDRNOTAVAIL: (
        "This machine does not have the address. Choose another with --listen or proxy.listen."
    ),
    errno.EACCES: f"The system reserves low ports for root. {_OTHER_PORT}",
}
_NO_ACCOUNT: Final = (
    "no account and no upstream is configured, so no request can be served: run 'antigravity "
    "accounts add gemini_api' (or anthropic, openai, codeassist, zai) in another terminal; no "
    "restart is needed.  To try the gateway without an account, start it with --demo-if-empty"
)


class ConfigurationReader:
    """A reader of the configuration for the options, which also loads the plugins."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.home = find_home(options["home"])
        self._file = Path(options["config"]).absolute() if options["config"] else None
        self._overrides: dict[str, object] = {"proxy.port": options["port"]}
        if options["listen"]:
            self._overrides["proxy.listen"] = options["listen"]

    @property
    def file(self) -> Path:
        """The configuration file."""
        return self._file or self.home / FILE_NAME

    def prepare(self) -> None:
        """Create the home directory if it is missing.

        :raises OSError: if it cannot be created.
        """
        if prepare_home(self.home, with_file=self._file is None):
            log.info("created {home} with a commented antigravity.toml", home=str(self.home))

    def read(self, in_force: Configuration | None = None) -> LoadedConfiguration:
        """Return the configuration as it is now.

        :param in_force: the configuration of the running gateway, if there is one.
        :raises ConfigurationError: with all problems; a setting that restricted access must not be
            removed.
        """
        first = self._load(None)
        if in_force is None:
            check_start(read_last_run(self.home), first, self.home)
        else:
            check_replacement(in_force, first)
        plugins = PluginHost(first.settings.plugins)
        plugins.load(hooks=plugins.registry.gateway_hooks)
        configuration = self._load(plugins.registry.known_names)
        for problem in configuration.warnings:
            log.warn("{problem}", problem=str(problem))
        return LoadedConfiguration(configuration.settings, plugins, configuration)

    def _load(self, known: KnownNames | None) -> Configuration:
        return load(self.home, self._file, overrides=self._overrides, known=known)


def read_first(reader: ConfigurationReader) -> LoadedConfiguration:
    """Return the configuration to start with.

    :raises SystemExit: with all problems; ``twistd`` shows tracebacks of other errors.
    """
    try:
        reader.prepare()
        return reader.read()
    except ConfigurationError as error:
        raise SystemExit(f"antigravity: the configuration cannot be used:\n{error}") from None
    except OSError as error:
        raise SystemExit(
            f"antigravity: {error.filename}: {error.strerror}.  The home directory {reader.home} "
            "must be writable; --home or $ANTIGRAVITY_HOME names another one."
        ) from None


class _Process(SequentialService):
    """All services of the process, which also write its log.

    :param options: those of ``twistd``.
    :param log_file: keeps the log in the home.
    """

    def __init__(self, loop: Any, options: Mapping[str, Any], log_file: HomeLogFile) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._log_file = log_file
        self._loop = loop
        self._options = options

    def setServiceParent(self, parent: Any) -> None:
        """Belong to an application, and write its log."""
        write_log(parent, self._options, self._loop, self._log_file.write)
        super().setServiceParent(parent)  # type: ignore[no-untyped-call]


def make_service(loop: Any, options: Mapping[str, Any]) -> IService:
    """Return the gateway that the options of ``twistd antigravity`` describe.

    :param loop: the reactor.
    :raises SystemExit: if the configuration cannot be used.
    """
    install_steady_clock(loop)
    reader = ConfigurationReader(options)
    configured = read_first(reader)
    settings = configured.settings
    txaio.set_global_log_level(settings.log.level)
    if options["worker"]:
        from antigravity.app.worker_process import make_worker_service

        return make_worker_service(loop, options["worker"], reader.home, configured, reader.read)
    log.info(
        "antigravity {version}, configuration {file}, authentication {mode}",
        version=VERSION,
        file=str(reader.file),
        mode=effective_auth_mode(settings.proxy),
    )
    log_file = HomeLogFile(reader.home, settings.log)
    services = _Process(loop, getattr(options, "parent", None) or {}, log_file)
    Closing(log_file.close).setServiceParent(services)  # type: ignore[no-untyped-call]
    record = RunningRecord(loop, reader.home, reader.file)

    def build(successor: LoadedConfiguration, predecessor: Predecessor) -> Gateway:
        return Gateway(
            loop,
            successor.settings,
            reader.home,
            successor.plugins,
            source=successor.source,
            configure=reader.read,
            configured=partial(_apply, log_file),
            record=record,
            predecessor=predecessor,
        )

    has_accounts = partial(_has_accounts, reader.home)
    current = CurrentGateway(loop, services, build, has_accounts)
    demo = _wants_demo(options, settings, reader.home)
    workers = _count_workers(options, demo=demo)
    kind = Gateway if workers < 2 else partial(_main_gateway, loop, options, workers)
    gateway = current.gateway = kind(
        loop,
        settings,
        reader.home,
        configured.plugins,
        source=configured.source,
        demo=demo,
        configure=reader.read,
        configured=partial(_apply, log_file),
        failed=partial(_cannot_start, loop, reader.home, ExitCode()),
        record=record,
        end_demo=None if has_accounts(settings) else current.end_demo,
    )
    gateway.setServiceParent(services)  # type: ignore[no-untyped-call]
    _watch_files(loop, current, reader).setServiceParent(services)  # type: ignore[no-untyped-call]
    interpreter = Interpreter(loop, current)
    interpreter.setServiceParent(services)  # type: ignore[no-untyped-call]
    loop.addSystemEventTrigger("before", "startup", _reload_on_hangup, loop, current)
    loop.addSystemEventTrigger("before", "shutdown", _second_signal_stops, loop, current)
    return services


def _watch_files(loop: Any, current: CurrentGateway, reader: ConfigurationReader) -> FileWatcher:
    """Return what reloads the gateway when a file of its configuration changes."""
    return FileWatcher(
        loop,
        lambda: watched_files(reader.home, reader.file, current.gateway.settings),
        partial(_reload, current),
        open_events,
    )


def count_workers(wanted: str) -> int:
    """Return the number of workers for an option: a number, or ``auto`` for one per core.

    :raises ValueError: if it is something else.
    """
    if not wanted:
        return 1
    if wanted == "auto":
        affinity = getattr(os, "sched_getaffinity", None)
        return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    if not wanted.isascii() or not wanted.isdigit() or not 1 <= int(wanted) <= 256:
        raise ValueError(f"--workers is a number from 1 to 256, or 'auto', not {wanted!r}")
    return int(wanted)


def _count_workers(options: Mapping[str, Any], *, demo: bool) -> int:
    """Return the number of workers, 1 for a gateway that is one process.

    :raises SystemExit: if it is wrong.
    """
    wanted = options["workers"] or ""
    if wanted in ("", "1"):
        return 1
    try:
        number = count_workers(wanted)
    except ValueError as error:
        raise SystemExit(f"antigravity: {error}") from None
    if number > 1 and os.name == "nt":
        raise SystemExit("antigravity: --workers needs Linux, macOS or another Unix")
    if number > 1 and demo:
        log.warn("the demo is one process: --workers is for a gateway with accounts")
        return 1
    return number


def _main_gateway(
    loop: Any, options: Mapping[str, Any], number: int, *arguments: Any, **others: Any
) -> Gateway:
    """Return the main process of several workers."""
    from antigravity.app.main_gateway import MainGateway
    from antigravity.app.worker_process import worker_command

    command = worker_command(loop, options, lambda: gateway.workers)
    gateway = MainGateway(*arguments, number=number, command=command, **others)
    return gateway


def _wants_demo(options: Mapping[str, Any], settings: Settings, home: Path) -> bool:
    if options["demo"]:
        return True
    if _has_accounts(home, settings):
        return False
    if not options["demo-if-empty"]:
        log.warn(_NO_ACCOUNT)
        return False
    log.warn(
        "neither an upstream nor an account is configured: running the demo, in which a simulator "
        "echoes messages; 'antigravity accounts add gemini_api' adds an account, which ends it"
    )
    return True


def _apply(log_file: HomeLogFile, settings: Settings) -> None:
    log_file.settings = settings.log


def _has_accounts(home: Path, settings: Settings) -> bool:
    """Return whether an account or an upstream is configured."""
    if settings.upstreams or settings.proxy.zai.enabled:
        return True
    return bool(AccountFiles(home).load()[0])


def _cannot_start(reactor: Any, home: Path, exit_code: ExitCode, error: BaseException) -> None:
    exit_code.fail()
    if isinstance(error, CannotListenError):
        remedy = _listen_remedy(home, error)
        log.error("cannot start: {error} {remedy}", error=str(error), remedy=remedy)
    elif isinstance(error, ConfigurationError):
        log.error("cannot start: {error}", error=str(error).replace("\n", "; "))
    else:
        log.failure("cannot start", Failure(error))
    reactor.callLater(0, _stop, reactor)


def _listen_remedy(home: Path, error: CannotListenError) -> str:
    """Return what to do if a port cannot be opened."""
    number = getattr(error.socketError, "errno", None)
    running = find_running_gateway(home)
    if number == errno.EADDRINUSE and running is not None and _uses(running, error.port):
        return (
            f"A gateway with the home {home} runs already (process {running.pid}): "
            "'antigravity status' shows it."
        )
    return _LISTEN_REMEDIES.get(number or 0, f"{_OTHER_PORT} 'antigravity doctor' says more.")


def _uses(running: RunningGateway, port: object) -> bool:
    return any(address.endswith(f":{port}") for address in running.addresses)


def _stop(reactor: Any) -> None:
    if reactor.running:
        reactor.stop()


def _reload(gateway: CurrentGateway, *, renews: bool = False) -> Any:
    """Reload; if that fails, log the reason and keep the old configuration."""

    def failed(failure: Failure) -> None:
        if failure.check(ConfigurationError, CannotListenError, OSError):
            log.error(
                "the new configuration is not used: {e}", e=str(failure.value).replace("\n", "; ")
            )
        else:
            log.failure("the new configuration is not used", failure)

    return gateway.reload(renews=renews).addErrback(failed)


def _reload_on_hangup(reactor: Any, gateway: CurrentGateway) -> None:
    """Reload at a signal; new workers then replace those that run."""
    reload = partial(_reload, gateway, renews=True)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, lambda number, frame: reactor.callFromThread(reload))


def _second_signal_stops(reactor: Any, current: CurrentGateway) -> None:
    """Stop waiting for running requests at the next signal."""

    def stop_waiting(number: int, frame: object) -> None:
        reactor.callFromThread(current.gateway.stop_waiting)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop_waiting)
