"""The ``twistd`` plugin: its options, and the service for them."""

from __future__ import annotations

from typing import Any

from twisted.application.service import IService
from twisted.python import usage

from antigravity.daemon.interpreter import collection_paused
from antigravity.version import VERSION


class Options(usage.Options):
    """The options of ``twistd antigravity``, which override environment and file."""

    synopsis = "[options]"
    longdesc = "One local gateway between every LLM client and every LLM provider."

    optParameters = [  # noqa: RUF012 - the form that Twisted requires
        ["port", "p", None, "TCP port to listen on (default: 8045)", int],
        ["home", None, None, "home directory (default: ANTIGRAVITY_HOME, or the platform's)"],
        ["config", "c", None, "configuration file (default: antigravity.toml in the home)"],
        [
            "workers",
            "w",
            None,
            "number of processes that serve, or 'auto' for one per core (default: 1)",
        ],
    ]
    optFlags = [  # noqa: RUF012
        ["demo", None, "serve all models from the built-in simulator"],
        [
            "demo-if-empty",
            None,
            "the same, if neither an upstream nor an account is configured",
        ],
    ]

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self["listen"] = []
        self["worker"] = ""

    def opt_listen(self, description: str) -> None:
        """Listen on this Twisted endpoint (may be given more than once)."""
        self["listen"].append(description)

    opt_l = opt_listen

    def opt_worker(self, task: str) -> None:
        """Be a worker (the gateway itself sets this)."""
        self["worker"] = task

    def opt_version(self) -> None:
        """Print the version."""
        print(f"antigravity {VERSION}")  # noqa: T201 - the output of the option
        raise SystemExit(0)


def makeService(options: Options) -> IService:
    """Return the gateway that the options describe.

    Nearly all of the gateway is imported here, so that the options alone are read quickly.

    :raises SystemExit: if the configuration cannot be used.
    """
    from twisted.internet import reactor

    loop: Any = reactor
    with collection_paused():
        from antigravity.app.process import make_service

        return make_service(loop, options)
