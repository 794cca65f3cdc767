"""Serve the stateless revision 2026-07-28 over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from msgspec import Struct
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.mcp import McpCall
from antigravity.interfaces.mcp_values import ClientRequest, McpChange, McpError
from antigravity.mcp.change_listeners import Listener, supported_changes, task_ids
from antigravity.mcp.context import LEVELS, CallContext, RepeatedCallContext
from antigravity.mcp.event_stream import EventStream
from antigravity.mcp.methods import unknown_method
from antigravity.mcp.post_response import (
    EVENTS,
    PostResponse,
    error_reply,
    no_content,
    parse_accept,
)
from antigravity.mcp.protocol import messages, sealed_state
from antigravity.mcp.protocol.event_log import EventLog
from antigravity.mcp.protocol.extensions import TASKS, missing
from antigravity.mcp.protocol.headers import META
from antigravity.mcp.protocol.messages import Parsed, Request
from antigravity.mcp.protocol.revisions import Revision
from antigravity.mcp.protocol.tasks import encode_task
from antigravity.mcp.running_calls import CallTable, Method, RunningCall, as_error
from antigravity.mcp.server_info import ServerInfo
from antigravity.mcp.stateless_requests import check, declares_tasks, http_status
from antigravity.mcp.suspended_calls import SUSPENDED, TASK_KEY, SuspendedCall, forward_progress
from antigravity.mcp.tasks import extension
from antigravity.mcp.tasks.table import TaskTable
from antigravity.mcp.tasks.task import Task, TaskOwner

#: Milliseconds for which clients may cache results.
_TTL: Final = {
    "server/discover": 300_000,
    "tools/list": 30_000,
    "prompts/list": 30_000,
    "resources/list": 30_000,
    "resources/templates/list": 30_000,
    "resources/read": 0,
}
#: The methods that can ask the client for input.
_INPUT_METHODS: Final = ("tools/call", "prompts/get", "resources/read")
_MOST_LISTENERS: Final = 1000


class Stateless:
    """The server of the stateless revision."""

    def __init__(
        self,
        calls: CallTable,
        clock: IReactorTime,
        server_info: ServerInfo,
        tasks: TaskTable,
        sealer: sealed_state.StateSealer,
        keepalive: float,
    ) -> None:
        self.keepalive = keepalive
        self._calls = calls
        self._clock = clock
        self._identity = server_info
        self._tasks = tasks
        self._sealer = sealer
        self._listeners: set[Listener] = set()

    def post(self, call: McpCall, parsed: Parsed) -> Deferred[Reply]:
        """Serve a request of a client."""
        message = parsed.messages[0]
        if parsed.is_batch:
            error = McpError(messages.INVALID_REQUEST, "The body must hold one message.")
            return error_reply(400, error)
        if not isinstance(message, Request):
            return no_content()
        try:
            revision = check(message, call.headers)
            if message.method in self._calls.methods:
                return self._start(call, message, revision)
            if message.method == "server/discover":
                return self._discover(call, message)
            if message.method == "subscriptions/listen":
                return self._listen(call, message)
            if message.method in extension.METHODS:
                return self._use_task(call, message, revision)
            raise unknown_method(message.method)
        except McpError as error:
            return error_reply(http_status(error, early=True), error, message.id)

    def changed(self, change: McpChange) -> None:
        """Notify subscribed clients of a change."""
        for listener in list(self._listeners):
            listener.notify(change)

    def stop(self) -> None:
        """End all streams."""
        for listener in list(self._listeners):
            meta = {f"{META}subscriptionId": listener.id}
            result = self._result("subscriptions/listen", {"_meta": meta})
            listener.stop()
            listener.log.append(messages.result(listener.id, result))
            listener.log.end()
        self._listeners.clear()

    # -- discovery and changes --

    def _discover(self, call: McpCall, request: Request) -> Deferred[Reply]:
        result = self._result(request.method, self._identity.discovered())
        post_response = self._new_response(call, lambda: None)
        post_response.result(request.id, result)
        return post_response.reply

    def _listen(self, call: McpCall, request: Request) -> Deferred[Reply]:
        given = request.params.get("notifications")
        changes = supported_changes(given)
        ids = task_ids(given)
        if ids and not declares_tasks(request):
            raise missing(TASKS)
        if len(self._listeners) >= _MOST_LISTENERS:
            raise McpError(messages.INTERNAL_ERROR, "Too many clients are subscribed.")
        tasks = self._tasks.find_all(ids, TaskOwner(call.principal))
        if ids:
            changes["taskIds"] = [task.id for task in tasks]
        log = EventLog()
        listener = Listener(request.id, changes, log)
        self._listeners.add(listener)
        listener.send("notifications/subscriptions/acknowledged", {"notifications": changes})
        listener.follow(tasks)

        def disconnected() -> None:
            self._listeners.discard(listener)
            listener.stop()

        stream = EventStream(log, self._clock, self.keepalive, disconnected)
        return succeed(Reply(200, EVENTS, (), stream=stream))

    # -- tasks --

    def _use_task(self, call: McpCall, request: Request, revision: Revision) -> Deferred[Reply]:
        """Serve a method of the extension for tasks."""
        if not declares_tasks(request):
            raise missing(TASKS)
        return self._start(call, request, revision, self._call_extension)

    def _call_extension(self, method: str, params: Mapping[str, Any], context: CallContext) -> Any:
        return extension.call(self._tasks, method, params, TaskOwner(context.principal))

    def _start_task(
        self, call: McpCall, request: Request, context: CallContext, message: str
    ) -> Task | None:
        """Continue a call as a task, and respond with it; ``None`` if there are too many."""
        post_response = context.post_response
        if post_response.complete.called:
            return None
        task = self._tasks.create(TaskOwner(call.principal), context.support, context.cancel)
        if task is not None:
            task.set_message(message)
            result = {"resultType": "task", **encode_task(task.state()), "_meta": self._meta()}
            post_response.result(request.id, result)
        return task

    # -- calls --

    def _start(
        self, call: McpCall, request: Request, revision: Revision, function: Method | None = None
    ) -> Deferred[Reply]:
        params = request.params
        if "requestState" in params and params["requestState"] and request.method == "tools/call":
            suspended = self._find_suspended(call, request)
            if suspended is not None:
                return self._resume(call, request, suspended)
        running: list[RunningCall] = []

        def cancel() -> None:
            for one in running:
                one.cancel()

        post_response = self._new_response(call, cancel)
        context = self._context(call, request, revision, post_response)

        def need(requests: Mapping[str, ClientRequest]) -> None:
            """Respond with the requests to the client, then cancel the call."""
            if not context.is_over:
                context.is_over = context.asks_client = True
                self._request_input(call, request, post_response, context.used, requests)
                self._clock.callLater(0, cancel)

        def suspend() -> Task | None:
            """Keep the call in a task, and respond when that ends or asks."""
            task = self._tasks.create(TaskOwner(call.principal), SUSPENDED, cancel)
            if task is not None:
                SuspendedCall(task, self._clock, Response(self, call, request, post_response))
            return task

        context.need, context.suspend = need, suspend
        has_extensions = "extensions" in context.capabilities
        if has_extensions and request.method == "tools/call" and context.has_extension(TASKS):
            context.cancel = cancel
            context.task_starter = partial(self._start_task, call, request)
        started = self._calls.start(request.method, request.params, context, function)
        running.append(started)
        started.done.addBoth(self._done, request, started)
        return post_response.reply

    def _find_suspended(self, call: McpCall, request: Request) -> Task | None:
        """Return the task that goes on with an earlier call, if the client repeats that one."""
        about = sealed_state.about(request.method, request.params)
        state = self._sealer.open(request.params["requestState"], call.principal, about)
        if TASK_KEY not in state:
            return None
        return self._tasks.find(state[TASK_KEY], TaskOwner(call.principal))

    def _resume(self, call: McpCall, request: Request, task: Task) -> Deferred[Reply]:
        responses = request.params.get("inputResponses", {})
        if not isinstance(responses, Mapping):
            raise McpError(messages.INVALID_PARAMS, "inputResponses must be an object.")
        task.respond(responses)
        post_response = self._new_response(call, task.cancel)
        forward_progress(task, request.params["_meta"], post_response.send)
        SuspendedCall(task, self._clock, Response(self, call, request, post_response))
        return post_response.reply

    def _context(
        self, call: McpCall, request: Request, revision: Revision, post_response: PostResponse
    ) -> RepeatedCallContext:
        meta = request.params["_meta"]
        client = meta.get(f"{META}clientInfo")
        level = meta.get(f"{META}logLevel")
        context = RepeatedCallContext(
            principal=call.principal,
            revision=revision,
            client=client if isinstance(client, Mapping) else {},
            capabilities=meta[f"{META}clientCapabilities"],
            params=request.params,
            post_response=post_response,
            level=level if level in LEVELS else None,
            ask=lambda _, client_request: Deferred(),
        )
        context.headers = call.headers
        context.request_id = call.request_id
        context.operator_view = self._calls.view_for(call)
        context.used = {}
        if request.method in _INPUT_METHODS:
            context.client_results = self._client_results(call, request)
        return context

    def _client_results(self, call: McpCall, request: Request) -> dict[str, Any]:
        """Return earlier requests to the client with the results that it sent."""
        params = request.params
        results: dict[str, Any] = {}
        if params.get("requestState") is not None:
            about = sealed_state.about(request.method, params)
            results = self._sealer.open(params["requestState"], call.principal, about)
        if "inputResponses" in params:
            responses = params["inputResponses"]
            if not isinstance(responses, Mapping):
                raise McpError(messages.INVALID_PARAMS, "inputResponses must be an object.")
            results |= responses
        return results

    def _request_input(
        self,
        call: McpCall,
        request: Request,
        post_response: PostResponse,
        state: Mapping[str, Any],
        requests: Mapping[str, ClientRequest],
    ) -> None:
        about = sealed_state.about(request.method, request.params)
        try:
            sealed = self._sealer.seal(state, call.principal, about)
        except McpError as error:
            post_response.fail(request.id, error)
            return
        result = {
            "resultType": "input_required",
            "inputRequests": {
                name: {"method": one.method, "params": one.params} for name, one in requests.items()
            },
            "requestState": sealed,
            "_meta": self._meta(),
        }
        post_response.result(request.id, result)

    def _done(self, value: Any, request: Request, call: RunningCall) -> None:
        task, post_response = call.context.task, call.context.post_response
        if task is not None:
            self._tasks.settle(task, value, call.reason)
            return
        if post_response.complete.called:
            return
        if not isinstance(value, Failure):
            post_response.result(request.id, self._result(request.method, value))
        elif not value.check(CancelledError):
            self._fail(request, post_response, as_error(value))
        elif call.reason:
            post_response.fail(request.id, McpError(messages.INTERNAL_ERROR, call.reason), 503)
        else:
            post_response.skip()

    def _fail(self, request: Request, post_response: PostResponse, error: McpError) -> None:
        post_response.fail(request.id, error, http_status(error, early=False))

    def _new_response(self, call: McpCall, on_disconnect: Callable[[], None]) -> PostResponse:
        return PostResponse(
            EventLog(), parse_accept(call.headers), self._clock, self.keepalive, on_disconnect
        )

    def _result(self, method: str, value: Mapping[str, Any]) -> dict[str, Any]:
        out = {"resultType": "complete", **value}
        out["_meta"] = self._meta() | dict(value.get("_meta") or {})
        if method in _TTL:
            out.setdefault("ttlMs", _TTL[method])
            out.setdefault("cacheScope", "private")
        return out

    def _meta(self) -> dict[str, Any]:
        return {f"{META}serverInfo": self._identity.implementation()}


class Response(Struct, frozen=True):
    """The response to a call that goes on in a task; see :class:`Responder`."""

    server: Stateless
    call: McpCall
    request: Request
    post_response: PostResponse

    def result(self, value: Mapping[str, Any]) -> None:
        """Respond with the result of the call."""
        result = self.server._result(self.request.method, value)
        self.post_response.result(self.request.id, result)

    def ask(self, state: Mapping[str, Any], requests: Mapping[str, ClientRequest]) -> None:
        """Respond with requests to the client, and a state that it sends along."""
        self.server._request_input(self.call, self.request, self.post_response, state, requests)

    def fail(self, error: McpError) -> None:
        """Respond with an error."""
        self.server._fail(self.request, self.post_response, error)

    def skip(self) -> None:
        """End the response, because the client has left."""
        self.post_response.skip()
