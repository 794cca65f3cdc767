"""The calls of clients with sessions, and the requests to these clients."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.mcp import McpCall
from antigravity.interfaces.mcp_values import ClientRequest, Json, McpError
from antigravity.mcp.change_listeners import MOST_SUBSCRIPTIONS, SUBSCRIBED_CHARACTERS
from antigravity.mcp.context import LEVELS, CallContext
from antigravity.mcp.methods import text, unknown_method
from antigravity.mcp.post_response import EVENTS, AcceptedTypes, PostResponse
from antigravity.mcp.protocol import messages
from antigravity.mcp.protocol.messages import Notification, Request, Response
from antigravity.mcp.protocol.tasks import encode_session_task
from antigravity.mcp.running_calls import CallTable, RunningCall, as_error
from antigravity.mcp.sessions import FinishedStreams, Session
from antigravity.mcp.tasks import session_tasks
from antigravity.mcp.tasks.table import TaskTable
from antigravity.mcp.tasks.task import Task, TaskOwner


class SessionCalls:
    """The calls in all sessions; streams get a keep-alive after ``keepalive`` silent seconds."""

    def __init__(
        self, calls: CallTable, clock: IReactorTime, tasks: TaskTable, keepalive: float
    ) -> None:
        self.keepalive = keepalive
        self.finished_streams = FinishedStreams()
        self._calls = calls
        self._clock = clock
        self._tasks = tasks

    def notified(self, session: Session, message: Notification) -> None:
        """Handle a notification of the client."""
        if message.method == "notifications/initialized":
            session.is_ready = True
        elif message.method == "notifications/cancelled":
            call_id = message.params.get("requestId")
            if isinstance(call_id, (str, int)):
                running = session.calls.get(call_id)
                if running is not None:
                    running.cancel()

    def respond(
        self,
        session: Session,
        requests: list[Request],
        accept: AcceptedTypes,
        call: McpCall,
        *,
        is_batch: bool,
    ) -> Deferred[Reply]:
        """Serve requests that came in the body of one HTTP request, ``call``."""
        log = session.new_log()

        def store_or_discard(_: Any) -> None:
            """Store the stream if the client can resume it, otherwise discard it."""
            if post_response.begun:
                self.finished_streams.add(session, log)
            else:
                session.streams.pop(log.name, None)

        post_response = PostResponse(
            log,
            accept,
            self._clock,
            self.keepalive,
            lambda: None,  # a disconnected client can resume; it cancels with a message
            expected=len(requests),
            is_batch=is_batch,
            prime=session.revision.priming,
        )
        post_response.complete.addCallback(store_or_discard)
        for number, request in enumerate(requests):
            own_id = f"{call.request_id}-{number + 1}" if is_batch else call.request_id
            self._start(session, request, post_response, call, own_id)
        return post_response.reply

    def _start(
        self,
        session: Session,
        request: Request,
        post_response: PostResponse,
        call: McpCall,
        request_id: str,
    ) -> None:
        if request.id in session.calls:
            error = McpError(messages.INVALID_REQUEST, "A request with this id is already running.")
            post_response.fail(request.id, error)
            return
        context = CallContext(
            principal=session.principal,
            revision=session.revision,
            client=session.client,
            capabilities=session.capabilities,
            params=request.params,
            post_response=post_response,
            level=session.level,
            ask=lambda context, client_request: self._ask(session, context, client_request),
        )
        context.request_id = request_id
        context.operator_view = self._calls.view_for(call)
        try:
            own = self._own_method(session, request, context)
        except McpError as error:
            post_response.fail(request.id, error)
            return
        if own is not None:
            post_response.result(request.id, own)
            return
        function = None
        if request.method in session_tasks.METHODS:
            function = partial(self._use_task, session)
        elif "task" in request.params and session.revision.tasks:
            self._prepare_task(session, request, context)
        running = self._calls.start(request.method, request.params, context, function)
        if context.task is None:
            session.calls[request.id] = running
        else:
            context.cancel = running.cancel
        running.done.addBoth(self._done, session, request, running)

    def _prepare_task(self, session: Session, request: Request, context: CallContext) -> None:
        """Let a call start a task when the tool is known."""
        context.wants_task = True
        context.task_starter = lambda context, message: self._start_task(
            session, request, context, message
        )

    def _start_task(
        self, session: Session, request: Request, context: CallContext, message: str
    ) -> Task | None:
        """Continue a call as a task, and respond with it; ``None`` if there are too many."""
        ttl = session_tasks.wanted_ttl(request.params)
        owner = TaskOwner(session.principal, session.id)
        task = self._tasks.create(owner, context.support, lambda: context.cancel(), ttl)
        if task is not None:
            task.set_message(message)
            task.notify_session = session.notify
            task.watch(partial(_report_state, session))
            # Some clients never send tasks/result before the end; they listen instead.
            task.resume_questions = session_tasks.Questions(
                task,
                session.id,
                partial(_send_request, session, session.standalone.append),
                lambda: task.was_polled and session.standalone.reader is not None,
            ).resume
            result = {"task": encode_session_task(task.state())}
            context.post_response.result(request.id, result)
        return task

    def _use_task(self, session: Session, method: str, params: Json, context: CallContext) -> Any:
        return session_tasks.call(
            self._tasks,
            method,
            params,
            TaskOwner(session.principal, session.id),
            lambda client_request: self._ask(session, context, client_request),
        )

    def _done(self, value: Any, session: Session, request: Request, call: RunningCall) -> None:
        task, post_response = call.context.task, call.context.post_response
        if task is not None:
            self._tasks.settle(task, value, call.reason)
            return
        session.calls.pop(request.id, None)
        session.last_used = self._clock.seconds()
        if not isinstance(value, Failure):
            post_response.result(request.id, value)
        elif not value.check(CancelledError):
            post_response.fail(request.id, as_error(value))
        elif call.reason:
            post_response.fail(request.id, McpError(messages.INTERNAL_ERROR, call.reason))
        else:
            post_response.skip()

    def _own_method(
        self, session: Session, request: Request, context: CallContext
    ) -> dict[str, Any] | None:
        """Return the result of a method that concerns the session, ``None`` for other methods.

        :raises McpError: if the request is not valid.
        """
        match request.method:
            case "ping":
                return {}
            case "logging/setLevel":
                level = text(request.params, "level")
                if level not in LEVELS:
                    raise McpError(
                        messages.INVALID_PARAMS, f"The level must be one of {', '.join(LEVELS)}."
                    )
                session.level = level
                return {}
            case "resources/subscribe":
                uri = self._calls.methods.check_resource(request.params, context)
                if len(session.subscriptions) >= MOST_SUBSCRIPTIONS or (
                    sum(map(len, session.subscriptions)) + len(uri) > SUBSCRIBED_CHARACTERS
                ):
                    raise McpError(messages.INVALID_REQUEST, "Too many subscriptions.")
                session.subscriptions.add(uri)
                return {}
            case "resources/unsubscribe":
                session.subscriptions.discard(text(request.params, "uri"))
                return {}
        has_tasks = session.revision.tasks and request.method in session_tasks.METHODS
        if request.method not in self._calls.methods and not has_tasks:
            raise unknown_method(request.method)
        return None

    def _ask(
        self, session: Session, context: CallContext, request: ClientRequest
    ) -> Deferred[Json]:
        """Send a request to the client on the stream of the call."""
        if not context.post_response.can_stream:
            raise McpError(messages.INVALID_REQUEST, f"The client does not accept {EVENTS}.")
        return _send_request(session, context.post_response.send, request)


def _send_request(
    session: Session, send: Callable[[bytes], None], request: ClientRequest
) -> Deferred[Json]:
    """Send a request to the client; cancelling the Deferred cancels the request."""

    def on_response(response: Response) -> None:
        if response.error is not None:
            result.errback(response.error)
        else:
            result.callback(response.result or {})

    def cancelled(_: Any) -> None:
        if session.forget(id_):
            params = {"requestId": id_, "reason": "The call has ended."}
            send(messages.notification("notifications/cancelled", params))

    id_ = session.expect(on_response)
    result: Deferred[Json] = Deferred(cancelled)
    send(messages.request(id_, request.method, request.params))
    return result


def _report_state(session: Session, task: Task) -> None:
    session.notify("notifications/tasks/status", encode_session_task(task.state()))
