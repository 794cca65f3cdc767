"""One task: a call that continues after its response."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct
from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from antigravity.interfaces.mcp_values import ClientRequest, Json, McpError
from antigravity.mcp.protocol import messages
from antigravity.mcp.protocol.client_requests import check_result
from antigravity.mcp.protocol.tasks import TERMINAL, Status, TaskState

#: Seconds in which changes of the message are collected into one notification.
_COLLECTION_TIME: Final = 0.5
_LONGEST_MESSAGE: Final = 1000
#: The size of an error's message in characters, and of its data as JSON in bytes.
_LONGEST_ERROR: Final = 16 * 1024
_LARGEST_DATA: Final = 64 * 1024
#: The size of all requests to the client that have no response, as JSON in bytes.
MOST_INPUT_BYTES: Final = 4 * 1024 * 1024


class TaskOwner(Struct, frozen=True):
    """Who may see a task: the holder of a key, or an anonymous client in one session.

    ``session`` is the id of the session in which the task was created; it matters only for
    notifications, and for lists of anonymous clients.
    """

    principal: str
    session: str = ""


class Clocks(Struct, frozen=True):
    """A clock for timers, and a function that returns the Unix time."""

    timers: IReactorTime
    now: Callable[[], float]


class _Input(Struct, frozen=True, eq=False):
    """A request to the client without a response; ``size`` is that of its parameters in bytes."""

    request: ClientRequest
    size: int
    response: Deferred[Json]


class Task:
    """The task ``id`` of ``owner``, which is kept for ``ttl`` seconds.

    :ivar cancel_call: cancels its call.
    :ivar refresh: asks another server for the state of its task, if that runs this one; the
        Deferred fires when the state is up to date.
    :ivar notify_session: sends a notification to the session in which the task was created.
    :ivar asked: the session in which each question was sent to the client, by its key.
    :ivar was_polled: whether the client has asked for the state, so that it knows the id.
    :ivar resume_questions: sends the questions that can be sent now, in revision 2025-11-25.
    :ivar end_wait: ends the request that waits for a task which the client does not see.
    :ivar waits: for each request that waits for the end, what ends it without a result.
    :ivar was_delivered: whether the owner has seen the end of the task.
    """

    def __init__(
        self,
        id: str,  # noqa: A002
        owner: TaskOwner,
        clocks: Clocks,
        ttl: float,
        poll_interval: float,
        cancel_call: Callable[[], None],
    ) -> None:
        self.id: Final = id
        self.owner: Final = owner
        self.ttl = ttl
        self.poll_interval = poll_interval
        self.refresh: Callable[[], Deferred[None]] | None = None
        self.notify_session: Callable[[str, Json], None] | None = None
        self.asked: dict[str, str] = {}
        self.was_polled = False
        self.resume_questions: Callable[[], None] | None = None
        self.end_wait: Callable[[], None] | None = None
        self.waits: list[Callable[[], None]] = []
        self.was_delivered = False
        self.result = b""
        self._clocks = clocks
        self.cancel_call = cancel_call
        self._status: Status = "working"
        self._message = ""
        self._created = self._updated = clocks.now()
        self._is_error = False
        self._failure: McpError | None = None
        self._inputs: dict[str, _Input] = {}
        self._watchers: dict[object, Callable[[Task], None]] = {}
        self._notifying: IDelayedCall | None = None

    @property
    def is_over(self) -> bool:
        """Whether the task has ended."""
        return self._status in TERMINAL

    @property
    def inputs(self) -> Mapping[str, ClientRequest]:
        """The requests to the client that have no response."""
        return {key: one.request for key, one in self._inputs.items()}

    def state(self) -> TaskState:
        """Return what is known about the task."""
        return TaskState(
            self.id,
            "input_required" if self._inputs and not self.is_over else self._status,
            self._created,
            self._updated,
            self.ttl,
            self.poll_interval,
            self._message,
            self.result,
            self._is_error,
            self._failure,
            self.inputs,
        )

    def watch(self, changed: Callable[[Task], None]) -> Callable[[], None]:
        """Call ``changed`` for every change; return a function that stops that."""
        key = object()
        self._watchers[key] = changed
        return lambda: self._watchers.pop(key, None) and None

    # -- its call --

    def set_message(self, message: str) -> None:
        """Set the text that describes the state."""
        message = message[:_LONGEST_MESSAGE]
        if self.is_over or not message or message == self._message:
            return
        self._message = message
        self._updated = self._clocks.now()
        if self._notifying is None:
            self._notifying = self._clocks.timers.callLater(_COLLECTION_TIME, self._notify)

    def ask(self, key: str, request: ClientRequest) -> Deferred[Json]:
        """Ask the client; return a Deferred that fires with its result.

        ``key`` must be new.  Cancelling the Deferred withdraws the request.  It fails if the
        requests without a response are too large.
        """
        if self.is_over:
            return fail(McpError(messages.INTERNAL_ERROR, "The task has ended."))
        size = len(msgspec.json.encode(request.params))
        if size + sum(one.size for one in self._inputs.values()) > MOST_INPUT_BYTES:
            text = f"A task can ask its client at most {MOST_INPUT_BYTES} bytes at a time."
            return fail(McpError(messages.INTERNAL_ERROR, text))

        def withdraw(_: object) -> None:
            if self._inputs.pop(key, None) is not None:
                self._changed()

        response: Deferred[Json] = Deferred(withdraw)
        self._inputs[key] = _Input(request, size, response)
        self._changed()
        return response

    def settle(self, value: Any, reason: str, most_bytes: int) -> None:
        """End the task with the result or failure of its call.

        ``reason`` says why the gateway cancelled the call, ``""`` if the client did.  A result
        of more than ``most_bytes`` is replaced by an error.
        """
        if self.is_over:
            return
        if not isinstance(value, Failure):
            self._complete(value, most_bytes)
        elif value.check(CancelledError) and not reason:
            self._end("cancelled", "The task was cancelled.")
        else:
            error = value.value
            if not isinstance(error, McpError):
                error = McpError(messages.INTERNAL_ERROR, reason)
            self.fail(error)

    def end_cancelled(self, message: str) -> None:
        """End the task, because the server that runs it has cancelled it."""
        if not self.is_over:
            self._end("cancelled", message)

    def fail(self, error: McpError) -> None:
        """End the task with an error."""
        if not self.is_over:
            self._failure = _bounded(error)
            self._end("failed", error.message)

    def _complete(self, value: Mapping[str, Any], most_bytes: int) -> None:
        try:
            result = msgspec.json.encode(value)
        except (TypeError, ValueError, OverflowError, RecursionError):
            self.fail(McpError(messages.INTERNAL_ERROR, "The result cannot be encoded as JSON."))
            return
        if len(result) > most_bytes:
            text = f"The result has {len(result)} bytes; tasks keep at most {most_bytes}."
            self.fail(McpError(messages.INTERNAL_ERROR, text))
            return
        self.result = result
        self._is_error = value.get("isError") is True
        self._end("completed", "")

    def _end(self, status: Status, message: str) -> None:
        self._status = status
        self._message = message[:_LONGEST_MESSAGE]
        inputs, self._inputs = self._inputs, {}
        for one in inputs.values():
            one.response.cancel()
        self._changed()

    # -- its client --

    def respond(self, results: Mapping[str, Any]) -> None:
        """Pass the client's results to the requests; those that nobody waits for are ignored.

        :raises McpError: if a result is not valid; then none was passed.
        """
        waiting = {key: self._inputs[key] for key in results if key in self._inputs}
        for key, one in waiting.items():
            check_result(one.request, results[key])
        for key, one in waiting.items():
            if self._inputs.pop(key, None) is not None:
                one.response.callback(results[key])
        if waiting and not self.is_over:
            self._changed()

    def refuse(self, key: str, error: McpError) -> None:
        """Pass the client's error to a request."""
        refused = self._inputs.pop(key, None)
        if refused is not None:
            refused.response.errback(error)
            if not self.is_over:
                self._changed()

    def cancel(self) -> None:
        """Cancel the call; the task then ends."""
        if not self.is_over:
            self.cancel_call()

    def stop(self) -> None:
        """Stop all timers and forget all watchers."""
        self._watchers.clear()
        self.resume_questions = None
        timer, self._notifying = self._notifying, None
        if timer is not None:
            timer.cancel()

    def _changed(self) -> None:
        self._updated = self._clocks.now()
        timer, self._notifying = self._notifying, None
        if timer is not None:
            timer.cancel()
        self._notify()

    def _notify(self) -> None:
        self._notifying = None
        for changed in list(self._watchers.values()):
            changed(self)


def _bounded(error: McpError) -> McpError:
    """Return ``error`` as a task keeps it: without long texts and large data."""
    data = error.data
    if data is not None:
        try:
            data = data if len(msgspec.json.encode(data)) <= _LARGEST_DATA else None
        except (TypeError, ValueError, OverflowError, RecursionError):
            data = None
    return McpError(error.code, error.message[:_LONGEST_ERROR], data)
