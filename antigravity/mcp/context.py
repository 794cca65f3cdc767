"""The context of one call, which gives tools, prompts and resources access to the client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, get_args

from twisted.internet.defer import Deferred, fail, gatherResults, succeed
from twisted.python.failure import Failure
from zope.interface import implementer

from antigravity.interfaces.mcp import IMcpContext
from antigravity.interfaces.mcp_values import (
    ClientRequest,
    Json,
    LogLevel,
    McpError,
    TaskSupport,
)
from antigravity.interfaces.operator_view import OperatorView
from antigravity.mcp.post_response import PostResponse
from antigravity.mcp.protocol import messages
from antigravity.mcp.protocol.client_requests import capability, check_result
from antigravity.mcp.protocol.extensions import declares
from antigravity.mcp.protocol.revisions import Revision
from antigravity.mcp.protocol.tasks import related
from antigravity.mcp.tasks.task import Task
from antigravity.mcp.tool_calls import ToolCall

LEVELS: Final[tuple[str, ...]] = get_args(LogLevel)

#: A function that sends a request to the client; its Deferred fires with the result.
Ask = Callable[["CallContext", ClientRequest], Deferred[Json]]
#: A function that makes a task of a call, with a message, and responds with it; ``None`` if it
#: cannot.
StartTask = Callable[["CallContext", str], Task | None]


@implementer(IMcpContext)
class CallContext:
    """One call, which sends messages in ``post_response``; ``ask`` sends requests to its client.

    :ivar support: how the tool that is called supports tasks.
    :ivar task: the task that continues the call after its response, if it is one.
    :ivar task_starter: makes a task of the call, if the client supports that.
    :ivar wants_task: whether the client asks for a task, as it does in revision 2025-11-25.
    :ivar forwards_progress: whether progress comes from another server.
    :ivar cancel: cancels the call, if it may become a task.
    :ivar end_limits: ends the limits for calls that have no response.
    :ivar request_id: the id of the client's HTTP request, with a number if it has several calls.
    :ivar tool_call: what is recorded of the call, if a tool is called.
    :ivar operator_view: the gateway, for tools that not every client may call.
    :ivar asks_client: whether the call ended because the client is asked something.
    """

    support: TaskSupport = TaskSupport()
    task: Task | None = None
    task_starter: StartTask | None = None
    wants_task: bool = False
    forwards_progress: bool = False
    cancel: Callable[[], None]
    end_limits: Callable[[], Any] | None = None
    request_id: str = ""
    tool_call: ToolCall | None = None
    operator_view: OperatorView | None = None
    asks_client: bool = False

    def __init__(
        self,
        *,
        principal: str,
        revision: Revision,
        client: Json,
        capabilities: Json,
        params: Json,
        post_response: PostResponse,
        level: str | None,
        ask: Ask,
    ) -> None:
        meta = params.get("_meta")
        self.principal = principal
        self.rules = revision
        self.revision = revision.name
        self.client = client
        self.capabilities = capabilities
        self.meta: Json = meta if isinstance(meta, Mapping) else {}
        self.is_cancelled = False
        self.headers: Mapping[str, str] = {}
        self.is_over = False
        self.post_response = post_response
        self.level = level
        self._ask = ask
        self._names: dict[str, int] = {}

    def progress(self, progress: float, total: float | None = None, message: str = "") -> None:
        """Report progress to the client, if it requested that."""
        task, token = self.task, self.meta.get("progressToken")
        if task is not None:
            of = "" if total is None else f" of {total:g}"
            task.set_message(message or f"{progress:g}{of}")
        if self.is_over or not isinstance(token, (str, int)) or isinstance(token, bool):
            return
        params: dict[str, Any] = {"progressToken": token, "progress": progress}
        if total is not None:
            params["total"] = total
        if message:
            params["message"] = message
        if task is None:
            data = messages.notification("notifications/progress", params)
            self.post_response.send(data, expendable=True)
        elif task.notify_session is not None:
            task.notify_session("notifications/progress", {**params, "_meta": related(task.id)})

    def log(self, level: LogLevel, data: Any, logger: str = "") -> None:
        """Send a log message to the client, if it requested messages of this level."""
        if self.is_over or self.level is None:
            return
        if LEVELS.index(level) < LEVELS.index(self.level):
            return
        params = {"level": level, "data": data}
        if logger:
            params["logger"] = logger
        self.post_response.send(
            messages.notification("notifications/message", params), expendable=True
        )

    def can_ask(self, request: ClientRequest) -> bool:
        """Return whether the client's capabilities include such a request."""
        if request.method == "elicitation/create" and not self.rules.elicitation:
            return False
        ((name, features),) = capability(request).items()
        has = self.capabilities.get(name)
        if not isinstance(has, Mapping):
            return False
        if name == "elicitation" and not features:
            return not has or "form" in has
        return all(key in has for key in features)

    def ask(self, requests: Mapping[str, ClientRequest]) -> Deferred[Mapping[str, Json]]:
        """Send requests to the client; see :class:`IMcpContext`."""
        for request in requests.values():
            if not self.can_ask(request):
                needed = {"requiredCapabilities": capability(request)}
                code = (
                    messages.MISSING_CAPABILITY
                    if self.rules.stateless
                    else messages.INVALID_REQUEST
                )
                return fail(
                    McpError(code, f"The client does not support {request.method}.", needed)
                )
        if self.is_over:
            return fail(McpError(messages.INTERNAL_ERROR, "The call has ended."))
        return self._ask_all({self._unique(name): one for name, one in requests.items()}, requests)

    def start_task(self, message: str = "") -> bool:
        """Continue the call as a task, if possible; see :class:`IMcpContext`."""
        if self.task is None and self.task_starter is not None and not self.is_over:
            self.task = self.task_starter(self, message)
            if self.task is not None and self.end_limits is not None:
                self.end_limits()
        return self.task is not None

    def can_wait(self) -> bool:
        """Return whether the call can wait for the client's response to a request.

        Otherwise the call ends with the request, and starts again.
        """
        return True

    def has_extension(self, extension: str) -> bool:
        """Return whether the client declares ``extension``."""
        return declares(self.capabilities, extension)

    def _ask_all(
        self, wired: Mapping[str, ClientRequest], requests: Mapping[str, ClientRequest]
    ) -> Deferred[Mapping[str, Json]]:
        if self.task is not None:
            sent = [self.task.ask(key, request) for key, request in wired.items()]
        else:
            sent = [self._ask(self, request) for request in wired.values()]
        gathered = gatherResults(sent, consumeErrors=True)

        def named(results: list[Json]) -> Mapping[str, Json]:
            return {
                name: check_result(request, result)
                for (name, request), result in zip(requests.items(), results, strict=True)
            }

        return gathered.addCallbacks(named, _first)

    def elicit(self, message: str, schema: Json, name: str = "elicitation") -> Deferred[Json]:
        """Ask the user; the result has ``action`` and, if that is ``accept``, ``content``."""
        params = {"mode": "form", "message": message, "requestedSchema": schema}
        return self._ask_one(name, ClientRequest("elicitation/create", params))

    def sample(self, params: Json, name: str = "sampling") -> Deferred[Json]:
        """Request a completion from the client's model."""
        return self._ask_one(name, ClientRequest("sampling/createMessage", params))

    def list_roots(self, name: str = "roots") -> Deferred[Json]:
        """Request the client's root directories."""
        return self._ask_one(name, ClientRequest("roots/list"))

    def disconnect(self) -> None:
        """Close the connection, where the revision lets the client resume."""
        if self.rules.priming and not self.is_over:
            self.post_response.close_connection()

    def _ask_one(self, name: str, request: ClientRequest) -> Deferred[Json]:
        return self.ask({name: request}).addCallback(lambda results: results[name])

    def _unique(self, name: str) -> str:
        """Return a unique name for a request: ``name``, with a number if it is taken."""
        number = self._names[name] = self._names.get(name, 0) + 1
        return name if number == 1 else f"{name}-{number}"


class RepeatedCallContext(CallContext):
    """A call in a revision in which requests to the client end the call, which then starts again.

    ``client_results`` are the results that the client sent along; ``need`` is called with the
    requests that have no result yet.  ``suspend`` keeps the call in a task that the client does not
    see, so that its repetition continues it.

    :ivar used: the results that the call has used.
    """

    client_results: Mapping[str, Any] = {}
    suspend: Callable[[], Task | None] | None = None
    need: Callable[[Mapping[str, ClientRequest]], None]
    used: dict[str, Any]

    def can_wait(self) -> bool:
        """Return whether the call is a task, or has become one that the client does not see."""
        if self.task is None and self.suspend is not None and not self.is_over:
            self.task = self.suspend()
            if self.task is not None and self.end_limits is not None:
                self.end_limits()
        return self.task is not None

    def _ask_all(
        self, wired: Mapping[str, ClientRequest], requests: Mapping[str, ClientRequest]
    ) -> Deferred[Mapping[str, Json]]:
        if self.task is not None:
            return super()._ask_all(wired, requests)
        results: dict[str, Json] = {}
        try:
            for name, (wire, request) in zip(requests, wired.items(), strict=True):
                if wire in self.client_results:
                    results[name] = self.used[wire] = check_result(
                        request, self.client_results[wire]
                    )
        except McpError as error:
            return fail(error)
        if len(results) == len(requests):
            return succeed(results)
        self.need({name: one for name, one in wired.items() if name not in self.client_results})
        return Deferred()


def _first(failure: Failure) -> Failure:
    """Return the failure inside the ``FirstError`` of a ``gatherResults``."""
    inner = getattr(failure.value, "subFailure", None)
    return inner if isinstance(inner, Failure) else failure
