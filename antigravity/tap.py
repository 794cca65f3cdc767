"""The ``twistd`` plugin: options, and the service that they describe."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from twisted.application.service import IService
from twisted.internet.error import CannotListenError
from twisted.python import usage
from txaio import tx as txaio

from antigravity.accounts.files import AccountFiles
from antigravity.config.errors import ConfigurationError
from antigravity.config.home import find_home, prepare_home
from antigravity.config.settings import effective_auth_mode
from antigravity.config.snapshot import Configuration, load
from antigravity.gateway import Gateway
from antigravity.plugins import PluginHost
from antigravity.version import VERSION
from antigravity.wiring import has_upstreams

log = txaio.make_logger()


class Options(usage.Options):
    """Options of ``twistd antigravity``; they come before environment and file."""

    synopsis = "[options]"
    longdesc = "One local gateway between every LLM client and every LLM provider."

    optParameters = [  # noqa: RUF012 - the form that Twisted wants
        ["port", "p", None, "TCP port to listen on (default: 8045)", int],
        ["home", None, None, "home directory (default: ANTIGRAVITY_HOME, or the platform's)"],
        ["config", "c", None, "configuration file (default: antigravity.toml in the home)"],
    ]
    optFlags = [  # noqa: RUF012
        ["demo", None, "serve everything from the built-in simulator"],
        [
            "demo-if-empty",
            None,
            "the same, but only if no upstream and no account is configured",
        ],
    ]

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self["listen"] = []

    def opt_listen(self, description: str) -> None:
        """Listen on this Twisted endpoint (may be given more than once)."""
        self["listen"].append(description)

    opt_l = opt_listen

    def opt_version(self) -> None:
        """Say which version this is."""
        print(f"antigravity {VERSION}")  # noqa: T201 - it is the answer
        raise SystemExit(0)


def load_configuration(options: Options) -> tuple[Configuration, PluginHost]:
    """Return the configuration that the options point to, and the plugins that it wants.

    :raises usage.UsageError: with everything that is wrong.
    """
    home = find_home(options["home"])
    file = Path(options["config"]).absolute() if options["config"] else None
    overrides: dict[str, object] = {"proxy.port": options["port"]}
    if options["listen"]:
        overrides["proxy.listen"] = options["listen"]
    try:
        if prepare_home(home, with_file=file is None):
            log.info("made {home} with a commented antigravity.toml", home=str(home))
        configuration = load(home, file, overrides=overrides)
        plugins = PluginHost(configuration.settings.plugins)
        plugins.load()
        kinds = plugins.registry.upstream_kinds
        configuration = load(home, file, overrides=overrides, kinds=kinds)
    except ConfigurationError as error:
        raise usage.UsageError(f"The configuration cannot be used:\n{error}") from error
    except OSError as error:
        raise usage.UsageError(f"{error.filename}: {error.strerror}") from error
    for problem in configuration.warnings:
        log.warn("{problem}", problem=str(problem))
    return configuration, plugins


def makeService(options: Options) -> IService:
    """Return the gateway that the options describe.

    :raises usage.UsageError: if the configuration cannot be used.
    """
    from twisted.internet import reactor

    configuration, plugins = load_configuration(options)
    settings = configuration.settings
    txaio.set_global_log_level(settings.log.level)
    records, _ = AccountFiles(configuration.home).load()
    demo = bool(options["demo"])
    if options["demo-if-empty"] and not has_upstreams(settings, records):
        log.warn("no upstream and no account is configured: this is the demo")
        demo = True
    log.info(
        "antigravity {version}, configuration {file}, authentication {mode}",
        version=VERSION,
        file=str(configuration.file),
        mode=effective_auth_mode(settings.proxy),
    )
    loop: Any = reactor

    def failed(error: BaseException) -> None:
        if isinstance(error, CannotListenError | ConfigurationError):
            log.error("cannot start: {error}", error=str(error))
        else:
            log.failure("cannot start")
        loop.callLater(0, _stop, loop)

    gateway = Gateway(loop, settings, configuration.home, plugins, demo=demo, failed=failed)
    loop.addSystemEventTrigger("before", "shutdown", _second_signal_stops, loop, gateway)
    return gateway


def _stop(reactor: Any) -> None:
    if reactor.running:
        reactor.stop()


def _second_signal_stops(reactor: Any, gateway: Gateway) -> None:
    """While the gateway drains, let the next signal cut the waiting short."""

    def hurry(number: int, frame: object) -> None:
        reactor.callFromThread(gateway.hurry)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, hurry)
