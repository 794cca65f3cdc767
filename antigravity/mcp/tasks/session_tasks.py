"""The methods for tasks of revision 2025-11-25, whose clients have sessions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.python.failure import Failure

from antigravity.interfaces.mcp_values import ClientRequest, Json, McpError
from antigravity.mcp.protocol import lists, messages
from antigravity.mcp.protocol.tasks import encode_session_task, related, session_result
from antigravity.mcp.tasks.table import TaskTable
from antigravity.mcp.tasks.task import Task, TaskOwner

METHODS: Final = ("tasks/get", "tasks/result", "tasks/list", "tasks/cancel")
#: The most requests that wait for the end of a task, which may take hours.  Those of clients that
#: were disconnected wait, too, and all calls share a limit.
_MOST_WAITS: Final = 4
#: The longest time that a client may ask a task to be kept, in milliseconds.
_LONGEST_TTL: Final = 10**12

#: A function that sends a request to the client; its Deferred fires with the result.
AskClient = Callable[[ClientRequest], Deferred[Json]]


def call(
    table: TaskTable, method: str, params: Mapping[str, Any], owner: TaskOwner, ask: AskClient
) -> dict[str, Any] | Deferred[dict[str, Any]]:
    """Return the result of one of the ``METHODS``, or a Deferred that fires with it.

    While ``tasks/result`` waits, ``ask`` sends what the task asks of the client.

    :raises McpError: if the task is unknown, or the parameters are not valid.
    """
    if method == "tasks/list":
        entries = [encode_session_task(task.state()) for task in table.owned_by(owner)]
        return lists.page("tasks", entries, params)
    task = table.find(params.get("taskId"), owner)
    if method == "tasks/get":
        if task.refresh is None or task.is_over:
            return _state(task)
        return task.refresh().addCallback(lambda _: _state(task))
    if method == "tasks/result":
        return _ResultWait(task, owner.session, ask).done
    if task.is_over:
        status = task.state().status
        raise McpError(messages.INVALID_PARAMS, f"The task has already ended: {status}.")
    task.cancel()
    return encode_session_task(task.state())


def wanted_ttl(params: Mapping[str, Any]) -> float | None:
    """Return the seconds for which a client wants its task to be kept, ``None`` for any.

    :raises McpError: if they are not valid.
    """
    wish = params.get("task")
    ttl = wish.get("ttl") if isinstance(wish, Mapping) else None
    if not isinstance(wish, Mapping) or not isinstance(ttl, (int, float, type(None))):
        raise McpError(messages.INVALID_PARAMS, "task must be an object, and its ttl a number.")
    return ttl / 1000 if ttl is not None and 0 < ttl < _LONGEST_TTL else None


def _state(task: Task) -> dict[str, Any]:
    """Return a task; once the client knows its id, it can be asked without ``tasks/result``."""
    task.was_polled = True
    if task.resume_questions is not None:
        task.resume_questions()
    return encode_session_task(task.state())


class Questions:
    """Asks the client of a session what ``task`` asks, each question once.

    ``ask`` sends a request; ``can_ask`` says whether the client receives it.
    """

    def __init__(
        self, task: Task, session: str, ask: AskClient, can_ask: Callable[[], bool]
    ) -> None:
        self._task = task
        self._session = session
        self._ask = ask
        self._can_ask = can_ask
        self._asked: dict[str, Deferred[Any]] = {}
        self._unwatch = task.watch(self._changed)
        self.resume()

    def resume(self) -> None:
        """Send the questions that could not be sent before."""
        self._changed(self._task)

    def stop(self) -> None:
        """Withdraw the questions."""
        self._unwatch()
        for key in list(self._asked):
            self._withdraw(key)

    def _changed(self, task: Task) -> None:
        inputs = task.inputs
        for key in [key for key in self._asked if key not in inputs]:
            self._withdraw(key)
        for key, request in inputs.items():
            if task.asked.get(key) != self._session and self._can_ask():
                self._send(key, request)

    def _withdraw(self, key: str) -> None:
        if self._task.asked.get(key) == self._session:
            del self._task.asked[key]
        self._asked.pop(key).cancel()

    def _send(self, key: str, request: ClientRequest) -> None:
        task = self._task
        meta = request.params.get("_meta")
        own = {**(meta if isinstance(meta, Mapping) else {}), **related(task.id)}
        task.asked[key] = self._session
        asked = maybeDeferred(
            self._ask, ClientRequest(request.method, {**request.params, "_meta": own})
        )
        self._asked[key] = asked

        def on_result(result: Json) -> None:
            self._asked.pop(key, None)
            try:
                task.respond({key: result})
            except McpError as error:
                task.refuse(key, error)

        def on_failure(failure: Failure) -> None:
            self._asked.pop(key, None)
            if isinstance(failure.value, McpError):
                task.refuse(key, failure.value)
            else:
                failure.trap(CancelledError)

        asked.addCallbacks(on_result, on_failure)


class _ResultWait:
    """A ``tasks/result`` request: waits for the end, and asks the client in between.

    :ivar done: fires with the result; fails with the task's error.
    """

    def __init__(self, task: Task, session: str, ask: AskClient) -> None:
        self.done: Deferred[dict[str, Any]] = Deferred(lambda _: self._stop())
        self._waits = task.waits
        self._waits.append(self._replaced)
        if len(self._waits) > _MOST_WAITS:
            self._waits[0]()
        self._questions = Questions(task, session, ask, lambda: True)
        self._unwatch = task.watch(self._changed)
        self._changed(task)

    def _changed(self, task: Task) -> None:
        if not task.is_over:
            return
        self._stop()
        if self.done.called:
            return
        task.was_delivered = True
        state = task.state()
        if state.failure is not None:
            self.done.errback(state.failure)
        elif state.status == "cancelled":
            self.done.errback(McpError(messages.INTERNAL_ERROR, "The task was cancelled."))
        else:
            self.done.callback(session_result(state))

    def _replaced(self) -> None:
        """End the wait, since newer requests wait for the same result."""
        self._stop()
        text = "The result was requested again, and newer requests get it."
        self.done.errback(McpError(messages.INVALID_REQUEST, text))

    def _stop(self) -> None:
        if self._replaced in self._waits:
            self._waits.remove(self._replaced)
        self._unwatch()
        self._questions.stop()
