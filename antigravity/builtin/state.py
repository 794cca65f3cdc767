"""The built-in kinds of shared state: Redis or Valkey, and another process of the machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from zope.interface import implementer

from antigravity.hookspecs import hookimpl
from antigravity.installation import extra_command
from antigravity.interfaces.state import IState, IStateKind


@implementer(IStateKind)
class RedisKind:
    """A Redis or Valkey server, also over TLS or on a Unix socket."""

    schemes = ("redis", "rediss", "valkey", "valkeys", "redis+unix")

    def name(self, url: str) -> str:
        """Return an address without user and password."""
        from antigravity.state.redis_address import RedisAddress

        return RedisAddress(url).name

    def build(self, reactor: Any, url: str) -> IState:
        """Return the state on a server."""
        from antigravity.state.redis_address import RedisAddress

        try:
            from antigravity.state.redis import RedisState
        except ImportError as error:
            raise ValueError(
                f"Redis needs the package {error.name}: {extra_command('redis')}"
            ) from None
        return RedisState(reactor, RedisAddress(url))


@implementer(IStateKind)
class LocalKind:
    """The Unix socket of a process that serves its state."""

    schemes = ("unix",)

    def name(self, url: str) -> str:
        """Return the address."""
        return f"unix:{_path(url)}"

    def build(self, reactor: Any, url: str) -> IState:
        """Return the state of the process at a socket."""
        from antigravity.state.local_client import LocalState

        return LocalState(reactor, _path(url))


def _path(url: str) -> Path:
    path = Path(url.partition(":")[2].removeprefix("//"))
    if not path.is_absolute():
        raise ValueError("the path of a Unix socket begins with a slash: unix:/run/state.sock")
    return path


@hookimpl
def register_stores(register: Callable[[object], None]) -> None:
    """Register the built-in kinds of shared state."""
    register(RedisKind())
    register(LocalKind())
