"""Respond to a call whose work goes on in a task that the client does not see.

Without sessions, a question to the client ends the call, and the client repeats it with its answer.
A call that cannot start again is kept in a task, and its repetition continues it: the client's
sealed state holds the id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import msgspec
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from antigravity.interfaces.mcp_values import ClientRequest, Json, McpError, TaskSupport
from antigravity.mcp.protocol import messages
from antigravity.mcp.tasks.task import Task

#: The key of the task's id in the sealed state; names of questions are not empty.
TASK_KEY: Final = ""
#: How long a client may take for its answers.
SUSPENDED: Final = TaskSupport(ttl=600.0)


class Responder(Protocol):
    """The response to one request."""

    def result(self, value: Mapping[str, Any]) -> None:
        """Respond with the result of the call."""

    def ask(self, state: Mapping[str, Any], requests: Mapping[str, ClientRequest]) -> None:
        """Respond with requests to the client, and a state that it sends along."""

    def fail(self, error: McpError) -> None:
        """Respond with an error."""

    def skip(self) -> None:
        """End the response, because the client has left."""


class SuspendedCall:
    """Responds by ``responder`` when the call in ``task`` ends or asks the client.

    Only the newest request for a task waits; it ends the one before.
    """

    def __init__(self, task: Task, clock: IReactorTime, responder: Responder) -> None:
        self._task = task
        self._clock = clock
        self._responder = responder
        self._asking: IDelayedCall | None = None
        if task.end_wait is not None:
            task.end_wait()
        task.end_wait = self._replaced
        self._unwatch = task.watch(self._changed)
        self._changed(task)

    def _changed(self, task: Task) -> None:
        if task.is_over:
            self._stop()
            self._end()
        elif task.inputs and self._asking is None:
            # Later, so that all requests of one round are together.
            self._asking = self._clock.callLater(0, self._ask)

    def _ask(self) -> None:
        self._asking = None
        if self._task.inputs:
            self._stop()
            self._responder.ask({TASK_KEY: self._task.id}, self._task.inputs)

    def _end(self) -> None:
        self._task.was_delivered = True
        state = self._task.state()
        if state.status == "completed":
            self._responder.result(msgspec.json.decode(state.result))
        elif state.failure is not None:
            self._responder.fail(state.failure)
        else:
            self._responder.skip()

    def _replaced(self) -> None:
        self._stop()
        text = "The call was repeated, and the newer request gets its result."
        self._responder.fail(McpError(messages.INVALID_REQUEST, text))

    def _stop(self) -> None:
        self._task.end_wait = None
        self._unwatch()
        asking, self._asking = self._asking, None
        if asking is not None:
            asking.cancel()


def forward_progress(task: Task, meta: Json, send: Callable[[bytes], None]) -> None:
    """Send the task's progress with the token in the ``_meta`` of the repeated request."""
    token = meta.get("progressToken")
    if token is None:
        task.notify_session = None
        return

    def notify(method: str, params: Json) -> None:
        own = {key: value for key, value in params.items() if key != "_meta"}
        send(messages.notification(method, {**own, "progressToken": token}))

    task.notify_session = notify
