"""Calls of tools that continue as tasks at another server.

If the gateway's client supports tasks, it gets a task of the gateway, which follows the server's:
ids of servers never reach clients.  Otherwise the gateway waits for the end on its behalf.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace
from twisted.internet import defer
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from antigravity.interfaces.mcp_values import (
    ClientRequest,
    Json,
    McpError,
    TaskSupport,
    ToolError,
)
from antigravity.ir.errors import GatewayError
from antigravity.ir.printable import shorten
from antigravity.logs import make_logger
from antigravity.mcp.client.request_sender import ASKABLE, RequestSender
from antigravity.mcp.context import CallContext
from antigravity.mcp.protocol import messages
from antigravity.mcp.protocol.extensions import TASKS, declares, lacks, missing, with_extension
from antigravity.mcp.protocol.tasks import TERMINAL, RemoteTask, parse_task

#: Seconds between two questions about the state: bounds, and what the server left open.
_SHORTEST: Final = 0.2
_LONGEST: Final = 60.0
_DEFAULT: Final = 1.0
#: Seconds in which a server must say what the state is.
_ANSWER_TIME: Final = 30.0
#: Seconds for which a client's question waits for the server's state.
_FRESH_TIME: Final = 5.0
#: Consecutive failures after which a task is given up, each followed by a longer pause.
_MOST_FAILURES: Final = 6
_MOST_INPUTS: Final = 100


async def call_tool(
    sender: RequestSender,
    session_task: str,
    params: Json,
    context: CallContext,
    headers: tuple[tuple[str, str], ...],
) -> Json:
    """Call a tool of a server that supports tasks, and return its result when it has ended.

    ``session_task`` says how the tool supports the tasks of revision 2025-11-25: ``optional``,
    ``required``, or ``""`` if the server has the extension of 2026-07-28.

    :raises McpError: if the server reports an error.
    :raises GatewayError: if it cannot be reached.
    :raises ToolError: if it breaks the protocol.
    """
    started = await _start(sender, session_task, params, context, headers)
    if not isinstance(started, RemoteTask):
        return started
    context.support = TaskSupport(
        at_once=False, ttl=started.ttl or 0.0, poll_interval=_interval(started)
    )
    context.start_task(started.message)
    follower = TaskFollower(sender, started, context, is_extension=not session_task)
    del started  # it may be large, and the call lasts
    return await follower.run()


async def _start(
    sender: RequestSender,
    session_task: str,
    params: Json,
    context: CallContext,
    headers: tuple[tuple[str, str], ...],
) -> Json | RemoteTask:
    """Call a tool; return its result, or the task that the server made of the call."""
    capabilities = context.capabilities
    if session_task:
        if session_task == "required" or context.task is not None or context.task_starter:
            ttl = None if context.task is None else {"ttl": round(context.task.ttl * 1000)}
            params = {**params, "task": ttl or {}}
    elif context.task is not None:
        capabilities = with_extension(capabilities, TASKS)
    try:
        result = await sender.send("tools/call", params, context, headers, capabilities)
    except McpError as error:
        if session_task or declares(capabilities, TASKS) or not lacks(error, TASKS):
            raise
        # The tool only runs as a task, so the gateway waits for it on the client's behalf.
        capabilities = with_extension(capabilities, TASKS)
        result = await sender.send("tools/call", params, context, headers, capabilities)
    entry = result.get("task") if "task" in params else result
    if entry is None or (entry is result and result.get("resultType") != "task"):
        return result
    return _parse(entry, sender.name)


def _interval(remote: RemoteTask) -> float:
    """Return how many seconds to wait between two questions about a task."""
    return min(max(remote.poll_interval or _DEFAULT, _SHORTEST), _LONGEST)


def _parse(entry: object, name: str) -> RemoteTask:
    try:
        return parse_task(entry)
    except ValueError as error:
        raise ToolError(f"{name} sent a malformed task: {error}.") from None


class TaskFollower:
    """Follows a task of a server until its end, for the call of ``context``."""

    log = make_logger()

    def __init__(
        self, sender: RequestSender, remote: RemoteTask, context: CallContext, *, is_extension: bool
    ) -> None:
        self._sender = sender
        self._clock = sender.clock
        self._remote = remote
        self._context = context
        self._is_extension = is_extension
        self._capabilities = with_extension(context.capabilities, TASKS)
        self._asked: dict[str, Deferred[Any]] = {}
        self._seen: set[str] = set()
        self._steps = 0
        self._reported = ""
        self._asked_at = self._clock.seconds()
        self._pausing: Deferred[None] | None = None
        self._timer: IDelayedCall | None = None
        self._waiting: list[Deferred[None]] = []
        self._result: Deferred[Json | None] | None = None
        self._failure: Exception | None = None
        self._is_failing = False
        if context.task is not None:
            context.task.refresh = self.refresh

    async def run(self) -> Json:
        """Return the result of the task.

        :raises McpError: if it has failed, or the server no longer knows it.
        :raises CancelledError: if it was cancelled.
        """
        try:
            while True:
                self._report()
                if self._remote.status in TERMINAL:
                    return await self._end()
                self._ask_client()
                self._remote = replace(self._remote, inputs={}, result=None, failure=None)
                self._wake_waiting()
                await self._pause(_interval(self._remote))
                if self._failure is not None:
                    raise self._failure
                self._remote = await self._ask_state()
        except BaseException:
            if self._remote.status not in TERMINAL:
                self._send_unanswered("tasks/cancel")
            raise
        finally:
            self._stop()

    def refresh(self) -> Deferred[None]:
        """Ask the server for the state now; return a Deferred that fires when it is known.

        It also fires when the server is silent for a while, and at once while it is away.
        """
        if self._is_failing:
            return succeed(None)
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        if self._timer is not None:
            self._timer.reset(max(0.0, self._asked_at + _SHORTEST - self._clock.seconds()))
        return waiting.addTimeout(_FRESH_TIME, self._clock).addErrback(
            lambda failure: failure.trap(defer.TimeoutError) and None
        )

    # -- state --

    async def _ask_state(self) -> RemoteTask:
        """Return the state; try again after failures of the connection."""
        reason = ""
        for failures in range(1, _MOST_FAILURES + 1):
            self._asked_at = self._clock.seconds()
            try:
                asked = self._send("tasks/get").addTimeout(_ANSWER_TIME, self._clock)
                found = await asked
            except McpError as error:
                text = f"{self._sender.name} no longer knows the task: {error.message}"
                raise McpError(messages.INTERNAL_ERROR, text) from error
            except (GatewayError, ToolError, defer.TimeoutError) as error:
                reason = "it was silent" if isinstance(error, defer.TimeoutError) else str(error)
                self.log.debug("{name}: {why}", name=self._sender.name, why=shorten(reason))
                self._is_failing = True
                self._wake_waiting()
                if failures < _MOST_FAILURES:
                    await self._pause(min(2.0 ** (failures - 1), _LONGEST))
            else:
                self._is_failing = False
                return _parse(found, self._sender.name)
        text = f"The task was lost with its server: {shorten(reason)}"
        raise McpError(messages.INTERNAL_ERROR, text)

    def _report(self) -> None:
        """Pass the state on to the client."""
        task, remote = self._context.task, self._remote
        if task is not None:
            task.poll_interval = _interval(remote)
        if remote.status in TERMINAL or not remote.message:
            return
        is_new, self._reported = remote.message != self._reported, remote.message
        if self._context.forwards_progress or (task is not None and not is_new):
            if task is not None:
                task.set_message(remote.message)
            return
        self._steps += 1  # also without news, because clients may wait longer after progress
        self._context.progress(self._steps, None, remote.message)

    async def _end(self) -> Json:
        remote = self._remote
        if remote.status == "cancelled":
            text = remote.message or f"{self._sender.name} cancelled the task."
            if self._context.task is None:
                raise ToolError(text)
            self._context.task.end_cancelled(text)
            raise CancelledError
        if not self._is_extension:
            early = None if self._result is None else await self._result
            return await self._send("tasks/result") if early is None else early
        if remote.status == "failed":
            failure = remote.failure or {}
            code, message = failure.get("code"), failure.get("message")
            raise McpError(
                code if isinstance(code, int) else messages.INTERNAL_ERROR,
                message if isinstance(message, str) else "The task has failed.",
                failure.get("data"),
            )
        if remote.result is None:
            raise ToolError(f"{self._sender.name} completed the task without a result.")
        return remote.result

    # -- input --

    def _ask_client(self) -> None:
        """Pass the server's new requests on to the client, and withdraw those that are gone."""
        if not self._is_extension:
            if self._remote.status == "input_required" and self._result is None:
                # The server asks while this waits, and learns that the gateway refuses.
                self._result = self._send("tasks/result").addErrback(self._result_lost)
            return
        inputs = self._remote.inputs
        for key in [key for key in self._asked if key not in inputs]:
            self._asked.pop(key).cancel()
        for key, entry in inputs.items():
            if key not in self._seen:
                self._ask(key, entry)

    def _result_lost(self, failure: Failure) -> None:
        """Forget a request for the result that lasted too long; another one can follow."""
        failure.trap(GatewayError, ToolError)
        self._result = None

    def _ask(self, key: str, entry: object) -> None:
        method = entry.get("method") if isinstance(entry, Mapping) else None
        if method not in ASKABLE or len(self._seen) >= _MOST_INPUTS:
            raise ToolError(f"{self._sender.name} sent a request that clients do not accept.")
        if not self._context.can_wait():
            raise missing(TASKS)  # to start the call again would start another task
        assert isinstance(entry, Mapping)
        params = entry.get("params")
        request = ClientRequest(method, params if isinstance(params, Mapping) else {})
        self._seen.add(key)
        asked = self._context.ask({key: request})
        self._asked[key] = asked
        asked.addCallbacks(self._answered, self._not_answered, (key,), errbackArgs=(key,))

    def _answered(self, results: Mapping[str, Json], key: str) -> None:
        self._asked.pop(key, None)
        sending = self._send("tasks/update", inputResponses={key: results[key]})
        sending.addCallbacks(lambda _: self._wake(), self._fail)

    def _not_answered(self, failure: Failure, key: str) -> None:
        self._asked.pop(key, None)
        if not failure.check(CancelledError):
            self._fail(failure)

    def _fail(self, failure: Failure) -> None:
        """End the call, because the server cannot get its input."""
        if failure.check(CancelledError):
            return
        failure.trap(McpError, GatewayError)
        assert isinstance(failure.value, (McpError, GatewayError))
        self._failure = failure.value
        self._wake()

    # -- sending and waiting --

    def _send(self, method: str, **params: Any) -> Deferred[Json]:
        params["taskId"] = self._remote.id
        return self._sender.send(method, params, None, (), self._capabilities)

    def _send_unanswered(self, method: str) -> None:
        self._send(method).addTimeout(_ANSWER_TIME, self._clock).addErrback(_forget)

    def _pause(self, seconds: float) -> Deferred[None]:
        pausing: Deferred[None] = Deferred(lambda _: self._stop_timer())
        self._pausing = pausing
        if self._waiting:
            seconds = min(seconds, _SHORTEST)
        self._timer = self._clock.callLater(seconds, self._wake)
        return pausing

    def _wake(self) -> None:
        self._stop_timer()
        pausing, self._pausing = self._pausing, None
        if pausing is not None and not pausing.called:
            pausing.callback(None)

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _wake_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.called:
                one.callback(None)

    def _stop(self) -> None:
        asked, self._asked = self._asked, {}
        for one in asked.values():
            one.cancel()
        if self._result is not None:
            self._result.addErrback(_forget)
            self._result.cancel()
        if self._context.task is not None:
            self._context.task.refresh = None
        self._clock.callLater(0, self._wake_waiting)  # once the task has the result


def _forget(failure: Failure) -> None:
    """Ignore the failure of a message whose result is not needed."""
    failure.trap(GatewayError, McpError, ToolError, CancelledError, defer.TimeoutError)
