"""The gateway's own tools."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct, field
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from antigravity.interfaces.ledger import Place, RequestQuestion, UsageQuestion
from antigravity.interfaces.mcp import IMcpContext, IMcpRestrictedTool
from antigravity.interfaces.mcp_values import Json, ToolError
from antigravity.interfaces.operator_view import OperatorView
from antigravity.ir.errors import UnavailableError
from antigravity.mcp.gateway_tools.answers import (
    LIST_LIMIT,
    ExplainResult,
    RequestsResult,
    StatusResult,
    UsageResult,
    explained_model,
    explained_request,
    requests_result,
    status_result,
    usage_result,
)

#: The longest time range in hours: what the ledger keeps sums of.
_MOST_HOURS: Final = 5 * 366 * 24

S = TypeVar("S", bound=Struct)
Hours = Annotated[float, Meta(gt=0, le=_MOST_HOURS, description="How many hours back.")]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Client = Annotated[Name, Meta(description="A client program, such as claude-code.")]
Group = Literal["model", "upstream", "account", "client_key", "client", "hour", "day", "month"]


def _read_only() -> Json:
    return {
        "readOnlyHint": True,
        "destructiveHint": False,
        "idempotentHint": True,
        "openWorldHint": False,
    }


class GatewayToolSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[plugins.gateway-tools]``: who may call the tools besides the operator.

    ``keys`` are names of API keys, as ``antigravity requests`` shows them.
    """

    enabled: bool = False
    keys: list[Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]] = []


class NoArguments(Struct, frozen=True, forbid_unknown_fields=True):
    """No arguments."""


class UsageArguments(Struct, frozen=True, forbid_unknown_fields=True):
    """What to add up."""

    hours: Hours = 24.0
    by: Annotated[
        list[Group],
        Meta(max_length=3, description="What to group by, and at most one period of time."),
    ] = field(default_factory=lambda: ["model"])
    zone: Annotated[str, Meta(max_length=64, description="Time zone of days and months.")] = "UTC"
    model: Name | None = None
    upstream: Name | None = None
    account: Name | None = None
    client: Client | None = None
    limit: Annotated[int, Meta(ge=1, le=LIST_LIMIT)] = 25


class RequestsArguments(Struct, frozen=True, forbid_unknown_fields=True):
    """Which requests to list."""

    hours: Hours = 24.0
    model: Annotated[Name, Meta(description="The served model, or a tool's name.")] | None = None
    upstream: Name | None = None
    account: Name | None = None
    client: Client | None = None
    outcome: Literal["ok", "error", "cancelled"] | None = None
    text: Annotated[Name, Meta(description="A part of the error's message.")] | None = None
    before: Annotated[str, Meta(max_length=20, description="`next` of a page.")] | None = None
    limit: Annotated[int, Meta(ge=1, le=50)] = 10


class ExplainArguments(Struct, frozen=True, forbid_unknown_fields=True):
    """What to explain: a request, or a model."""

    request_id: (
        Annotated[Name, Meta(description="`reference`, or `id`, of a finished request.")] | None
    ) = None
    model: Annotated[Name, Meta(description="A model, as clients call it.")] | None = None
    protocol: Annotated[Name, Meta(description="The protocol of a client.")] = "openai_chat"


@implementer(IMcpRestrictedTool)
class GatewayTool(Struct, frozen=True, eq=False):
    """A tool that asks the gateway, for the operator and the holders of ``keys``."""

    name: str
    title: str
    description: str
    arguments: type[Struct]
    result: type[Struct]
    ask: Callable[[Any, OperatorView], Any]
    keys: frozenset[str] = frozenset()
    input_schema: Json = {}
    output_schema: Json = {}
    annotations: Json = field(default_factory=_read_only)

    def is_allowed(self, context: IMcpContext) -> bool:
        """Return whether the client may see and call it."""
        principal, view = context.principal, context.operator_view
        if not principal or view is None:
            return False
        return principal == view.principal or principal in self.keys

    def call(self, arguments: dict[str, Any], context: IMcpContext) -> Any:
        """Return the result as JSON, or a Deferred with it."""
        try:
            question = msgspec.convert(arguments, self.arguments)
        except msgspec.ValidationError as error:
            raise ToolError(f"The arguments are not valid: {error}.") from None
        answer = self.ask(question, context.operator_view)
        if isinstance(answer, Deferred):
            return answer.addCallback(msgspec.to_builtins).addErrback(_without_paths)
        return msgspec.to_builtins(answer)


def gateway_tools(settings: Mapping[str, Any]) -> list[GatewayTool]:
    """Return the tools, none if the settings do not enable them.

    :raises ValueError: if the settings are wrong.
    """
    found = msgspec.convert(settings, GatewayToolSettings)
    if not found.enabled:
        return []
    return [
        msgspec.structs.replace(
            tool,
            keys=frozenset(found.keys),
            input_schema=schema_of(tool.arguments),
            output_schema=schema_of(tool.result),
        )
        for tool in _TOOLS
    ]


def schema_of(kind: type[Struct]) -> dict[str, Any]:
    """Return the JSON Schema of a struct, an object whose parts are in ``$defs``."""
    schema = msgspec.json.schema(kind)
    parts = schema.pop("$defs")
    own: dict[str, Any] = parts.pop(schema["$ref"].rpartition("/")[2])
    own.pop("title", None)
    own.pop("description", None)
    return {**own, "$defs": parts} if parts else own


def _without_paths(failure: Failure) -> Failure:
    """Return a failure whose message a model may see.

    :raises ToolError: if the ledger cannot be used; its own message names files.
    """
    if failure.check(UnavailableError):
        raise ToolError("The gateway's ledger is off, or cannot be read now; its log says why.")
    return failure


def _status(arguments: NoArguments, view: OperatorView) -> StatusResult:
    return status_result(view.administration.status())


def _usage(arguments: UsageArguments, view: OperatorView) -> Deferred[UsageResult]:
    until = time.time()
    question = UsageQuestion(
        since=max(0.0, until - arguments.hours * 3600),
        until=until,
        by=",".join(arguments.by),
        zone=arguments.zone,
        model=arguments.model,
        upstream=arguments.upstream,
        account=arguments.account,
        client=arguments.client,
    )
    return view.ledger.usage(question).addCallback(usage_result, arguments.limit)


def _requests(arguments: RequestsArguments, view: OperatorView) -> Deferred[RequestsResult]:
    question = RequestQuestion(
        since=max(0.0, time.time() - arguments.hours * 3600),
        model=arguments.model,
        upstream=arguments.upstream,
        account=arguments.account,
        client=arguments.client,
        outcome=arguments.outcome,
        text=arguments.text,
        before=_place(arguments.before),
        limit=arguments.limit,
    )
    return view.ledger.requests(question).addCallback(requests_result)


def _place(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return msgspec.convert(text, Place, strict=False)
    except msgspec.ValidationError:
        raise ToolError("`before` must be `next` of an earlier page.") from None


def _explain(arguments: ExplainArguments, view: OperatorView) -> Deferred[ExplainResult]:
    request_id, model = arguments.request_id, arguments.model
    if request_id is not None and model is None:
        return view.ledger.request(request_id).addCallback(explained_request)
    if model is not None and request_id is None:
        return view.administration.explain(model, arguments.protocol).addCallback(explained_model)
    raise ToolError("Name either a request_id or a model.")


_TOOLS: Final = (
    GatewayTool(
        "gateway_status",
        "Gateway status",
        "Returns the present state of the LLM gateway: running and waiting requests, accounts with "
        "locks (why, and when they are free again), quotas, connections to MCP servers, and "
        "problems of the configuration.  Use it to find out why requests wait or are refused now.",
        NoArguments,
        StatusResult,
        _status,
    ),
    GatewayTool(
        "gateway_usage",
        "Gateway usage",
        "Adds up the requests of the last hours: number, errors, tokens, cost in US dollars, mean "
        "durations in seconds, and requests that were refused, by reason.  Groups by model, "
        "upstream, account, API key, client program, and hour, day or month.",
        UsageArguments,
        UsageResult,
        _usage,
    ),
    GatewayTool(
        "gateway_requests",
        "Gateway requests",
        "Lists finished requests, newest first, with outcome, HTTP status, error, account, "
        "attempts, duration, time to the first byte, the gateway's own overhead (all in seconds), "
        "tokens and cost.  Filter by outcome `error` to see what failed.  Calls of MCP tools have "
        "the protocol `mcp`.  Clients may use an `id` twice: `reference` names one request.",
        RequestsArguments,
        RequestsResult,
        _requests,
    ),
    GatewayTool(
        "gateway_explain",
        "Explain a request or a model",
        "Explains one finished request (request_id): every attempt with account, status, error and "
        "times, how its model was mapped, what translation lost, and how long it waited.  Or how a "
        "request for a model would be routed now, and which accounts could serve it.",
        ExplainArguments,
        ExplainResult,
        _explain,
    ),
)
