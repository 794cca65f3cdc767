"""Failures of plugins: they are logged, and the client learns which plugin it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.python.failure import Failure

from antigravity.ir.errors import GatewayError
from antigravity.logs import make_logger

_log = make_logger()


class PluginFailedError(GatewayError):
    """A plugin has failed; the log has the reason."""


def call_plugin(
    plugin: str, what: str, function: Callable[..., object], *args: Any, **named: Any
) -> Deferred[Any]:
    """Return a Deferred with the result of a plugin's function, Deferred or coroutine.

    It fails with a ``GatewayError`` that the plugin has raised, else with a
    :class:`PluginFailedError`.

    :param what: what the plugin does, for the log.
    """
    called: Deferred[Any] = maybeDeferred(function, *args, **named)
    return called.addErrback(plugin_failed, plugin, what)


def plugin_failed(failure: Failure, plugin: str, what: str) -> NoReturn:
    """Log the failure of a plugin, and raise the error for the client."""
    if failure.check(GatewayError, CancelledError):
        failure.raiseException()
    _log.failure("plugin {plugin}: {what} failed", failure=failure, plugin=plugin, what=what)
    raise PluginFailedError(
        f"The plugin {plugin} has failed; the gateway's log has the details.", code="plugin_failed"
    )
