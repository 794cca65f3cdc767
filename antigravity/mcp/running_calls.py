"""Run calls within limits of number and time, and cancel them when their client leaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct
from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from txaio import tx as txaio

from antigravity.interfaces.mcp import McpCall
from antigravity.interfaces.mcp_values import McpError
from antigravity.interfaces.operator_view import OperatorView
from antigravity.logs import make_logger
from antigravity.mcp.context import CallContext
from antigravity.mcp.methods import Methods
from antigravity.mcp.protocol import content, messages
from antigravity.mcp.tool_calls import (
    METHOD,
    Observe,
    ToolCall,
    client_of,
    end_of,
    ignore,
    requested_tool,
)

#: A function that returns the result of a method with its parameters, or a Deferred with it.
Method = Callable[[str, Mapping[str, Any], CallContext], Any]
#: Methods that wait as long as a task takes.
_ENDLESS: Final = ("tasks/result",)
#: How methods are counted that there are not.
_OTHER: Final = "other"


class CallLimits(Struct, frozen=True):
    """The number of calls at a time, and the seconds that each may take; 0 is no limit."""

    most: int = 256
    timeout: float = 600.0


class RunningCall:
    """A running call.

    :ivar done: fires with its result; fails with an ``McpError``, or with ``CancelledError``
        once it was cancelled.
    :ivar reason: the reason if the gateway cancelled it, empty if the client did.
    """

    def __init__(self, context: CallContext, running: Deferred[Any]) -> None:
        self.context = context
        self.done: Deferred[Any] = Deferred()
        self.reason = ""
        self.is_settled = False
        self._running = running

    def cancel(self, reason: str = "") -> None:
        """Cancel the call; a client that still waits for the result gets ``reason``."""
        if not self.is_settled:
            self.reason = reason
            self._end()
            self._running.cancel()  # first, so that it can withdraw its requests to the client
            self.done.errback(CancelledError())

    def stop(self) -> None:
        """Cancel the function of a call that already has a result."""
        self._running.cancel()

    def settle(self, value: Any) -> None:
        """Set the result or failure of the call, unless it has one."""
        if not self.is_settled:
            self._end()
            self.done.callback(value)

    def _end(self) -> None:
        self.is_settled = True
        self.context.is_over = True
        self.context.is_cancelled = not self._running.called


class CallTable:
    """All running calls; ``enter`` and ``leave`` are called at the start and end of each.

    ``observe`` is called with each call of a tool.

    :ivar finished: the number of finished calls by method and outcome (``ok``, ``error``,
        ``cancelled``).
    :ivar operator_view: the gateway, for tools that not every client may call.
    """

    log = make_logger()

    def __init__(
        self,
        methods: Methods,
        clock: IReactorTime,
        enter: Callable[[object], None],
        leave: Callable[[object], None],
        observe: Observe = ignore,
    ) -> None:
        self.methods = methods
        self._observe = observe
        self.operator_view: OperatorView | None = None
        self.limits = CallLimits()
        self._clock = clock
        self._enter = enter
        self._leave = leave
        self._running: set[RunningCall] = set()
        self.finished: Counter[tuple[str, str]] = Counter()

    def start(
        self,
        method: str,
        params: Mapping[str, Any],
        context: CallContext,
        function: Method | None = None,
    ) -> RunningCall:
        """Start a call of ``method``, by ``function`` unless the registry has it."""
        ended = self._note(params, context) if method == METHOD else None
        call = self._start(method, params, context, function)
        if ended is not None:
            call.done.addBoth(ended, call)
        return call

    def _start(
        self,
        method: str,
        params: Mapping[str, Any],
        context: CallContext,
        function: Method | None,
    ) -> RunningCall:
        # Clients can send any name.
        counted = method if function is not None or method in self.methods else _OTHER
        if self.limits.most and len(self._running) >= self.limits.most:
            busy = McpError(messages.INTERNAL_ERROR, "Too many calls are running; try again.")
            return self._run(method, fail(busy), context, counted)
        running: Deferred[Any] = txaio.as_future(
            function or self.methods.call, method, params, context
        )
        return self._run(method, running, context, counted)

    def _note(
        self, params: Mapping[str, Any], context: CallContext
    ) -> Callable[[Any, RunningCall], Any]:
        """Note that a tool is called; return a callback that notes how the call ended."""
        context.tool_call = ToolCall(
            requested_tool(params), context.principal, client_of(context.client), context.request_id
        )
        note_end = self._observe(context.tool_call)

        def ended(value: Any, call: RunningCall) -> Any:
            note_end(end_of(value, call.reason, asks_client=context.asks_client))
            return value

        return ended

    def view_for(self, call: McpCall) -> OperatorView | None:
        """Return the gateway for an HTTP request; there is no administration through a tunnel."""
        return None if call.is_tunnelled else self.operator_view

    def cancel_all(self, reason: str) -> None:
        """Cancel all running calls."""
        for call in list(self._running):
            call.cancel(reason)

    def _run(
        self, method: str, running: Deferred[Any], context: CallContext, counted: str
    ) -> RunningCall:
        call = RunningCall(context, running)
        call.done.addBoth(self._count, counted)
        if context.task is None:  # tasks have limits of their own
            end_limits = self._limit(call, method)
            if context.task_starter is not None or context.rules.stateless:
                context.end_limits = end_limits
            call.done.addBoth(end_limits)
        running.addErrback(self._explain, method, call)
        running.addBoth(call.settle)
        return call

    def _limit(self, call: RunningCall, method: str) -> Callable[..., Any]:
        """Count a call and limit its time; return a function that ends both, a callback."""
        self._running.add(call)
        self._enter(call)
        timer = None
        if self.limits.timeout and method not in _ENDLESS:
            timer = self._clock.callLater(self.limits.timeout, self._time_out, call, method)

        def end(value: Any = None) -> Any:
            if call in self._running:
                self._running.discard(call)
                self._leave(call)
                if timer is not None and timer.active():
                    timer.cancel()
            return value

        return end

    def _count(self, value: Any, method: str) -> Any:
        if isinstance(value, Failure):
            outcome = "cancelled" if value.check(CancelledError) else "error"
        else:
            is_error = isinstance(value, Mapping) and value.get("isError")
            outcome = "error" if is_error else "ok"
        self.finished[method, outcome] += 1
        return value

    def _time_out(self, call: RunningCall, method: str) -> None:
        message = f"The call took longer than {self.limits.timeout:g} seconds and was stopped."
        call.reason = message
        if method == METHOD:
            call.settle(content.failed(message))
        else:
            call.settle(Failure(McpError(messages.INTERNAL_ERROR, message)))
        call.context.is_cancelled = True
        call.stop()

    def _explain(self, failure: Failure, method: str, call: RunningCall) -> Any:
        """Return the error for the client; log the details of unexpected ones."""
        if failure.check(McpError):
            return failure
        if failure.check(CancelledError):
            if call.is_settled:
                return None
            return Failure(McpError(messages.INTERNAL_ERROR, "The gateway cancelled the call."))
        self.log.failure("{method} failed", failure=failure, method=method)
        return Failure(McpError(messages.INTERNAL_ERROR, "Internal error; see the gateway's log."))


def as_error(failure: Failure) -> McpError:
    """Return the error that ended a call."""
    error = failure.value
    assert isinstance(error, McpError)
    return error
