"""The client protocol ``parley``, and the kind of upstream that speaks it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from zope.interface import implementer

from antigravity.config.settings import UpstreamSettings
from antigravity.hookspecs import hookimpl
from antigravity.interfaces.protocols import EncodedRequest
from antigravity.interfaces.upstreams import Credential, IUpstream, IUpstreamKind, UpstreamOperation
from antigravity.ir.capabilities import Loss, Model, Target, Traits
from antigravity.ir.errors import GatewayError, UpstreamError
from antigravity.ir.events import (
    Event,
    Finish,
    FinishReason,
    ResponseStart,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    UsageUpdate,
)
from antigravity.ir.parts import Text, ToolCall, ToolResult
from antigravity.ir.request import Request
from antigravity.ir.tools import FunctionTool
from antigravity.ir.usage import Usage
from antigravity.protocols.client_protocol import ClientProtocol
from antigravity.protocols.json_events import JsonEventDecoder, object_in, upstream_error
from antigravity.upstreams.addresses import BaseUrl
from antigravity.upstreams.base import HttpUpstream
from antigravity.upstreams.services import UpstreamServices

NAME = "parley"
REASONS: dict[str, FinishReason] = {"complete": "stop", "tool": "tool_calls", "cut": "length"}


class ParleyDecoder(JsonEventDecoder):
    """Decodes one response."""

    def __init__(self) -> None:
        super().__init__()
        self._calls = 0

    def read(self, name: str, data: dict[str, Any]) -> Iterator[Event]:
        match data["kind"]:
            case "opened":
                yield ResponseStart(data["conversation"], data["model"])
            case "delta":
                yield TextDelta(data["text"])
            case "tool":
                call, self._calls = self._calls, self._calls + 1
                yield ToolCallStart(call, data["id"], data["name"])
                yield ToolCallDelta(call, json.dumps(data["arguments"]))
                yield ToolCallEnd(call)
            case "closed":
                units = data["units"]
                yield UsageUpdate(Usage(input_total=units["read"], output=units["written"]))
                yield Finish(REASONS.get(data["why"], "stop"), native=data["why"])
            case "fault":
                raise upstream_error(data["status"], {}, data["text"])


def encode(request: Request, target: Target) -> EncodedRequest:
    """Return the body, and what it leaves out."""
    lines: list[dict[str, Any]] = []
    losses: list[Loss] = []
    for message in request.messages:
        for part in message.parts:
            match part:
                case Text():
                    lines.append({"by": message.role, "text": part.text})
                case ToolCall():
                    arguments = json.loads(part.arguments or "{}")
                    lines.append({"call": part.id, "name": part.name, "arguments": arguments})
                case ToolResult():
                    text = "".join(each.text for each in part.parts if isinstance(each, Text))
                    lines.append({"result": part.call_id, "text": text})
                case _:
                    losses.append(Loss("messages", f"left out: {type(part).__name__}"))
    tools = []
    for tool in request.tools:
        if isinstance(tool, FunctionTool):
            schema = tool.parameters or {"type": "object"}
            tools.append({"name": tool.name, "about": tool.description, "schema": schema})
        else:
            losses.append(Loss("tools", f"left out: {type(tool).__name__}", content=True))
    body = {
        "model": target.model,
        "rules": "\n".join(text.text for text in request.system),
        "lines": lines,
        "tools": tools,
        "most": request.max_output_tokens,
    }
    return EncodedRequest(json.dumps(body).encode(), tuple(losses))


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """Return the error in a response; the server counts milliseconds."""
    fault = object_in(body)
    wait = fault.get("again_in_ms")
    seconds = wait / 1000 if isinstance(wait, int | float) else None
    return upstream_error(status, headers, fault.get("text"), retry_after=seconds)


def decode_models(body: bytes) -> Sequence[Model]:
    """Return the models in the server's list."""
    models = object_in(body).get("models")
    if not isinstance(models, list):
        raise UpstreamError("The upstream sent no list of models.")
    return [Model(name) for name in models if isinstance(name, str)]


PARLEY = ClientProtocol(
    name=NAME,
    traits=Traits(
        family="other",
        max_stop=0,
        media=frozenset(),
        outputs=frozenset({"text"}),
        json_lines=True,
    ),
    encode=encode,
    decoder=lambda request, target: ParleyDecoder(),
    decode_error=decode_error,
    decode_models=decode_models,
)


class ParleyUpstream(HttpUpstream):
    """A server that speaks Parley."""

    kind = NAME
    default_urls = ("http://127.0.0.1:4005",)

    def _target(self, operation: UpstreamOperation, protocol: str, model: str) -> tuple[str, str]:
        paths = {"stream": "/v2/converse", "list_models": "/v2/models"}
        if operation not in paths:
            raise self._no_operation(operation, protocol)
        return paths[operation], ""

    def _authorization(self, credential: Credential, base: BaseUrl) -> tuple[tuple[str, str], ...]:
        return (("x-parley-key", credential.secret),)


@implementer(IUpstreamKind)
class ParleyKind:
    """Makes upstreams of kind ``parley``."""

    kind = NAME
    description = "A server that speaks Parley"

    def build(self, settings: UpstreamSettings, services: UpstreamServices) -> IUpstream:
        """Return the upstream of one table of the configuration."""
        return ParleyUpstream(settings, services, (NAME,))


@hookimpl
def register_protocols(register: Callable[[object], None]) -> None:
    register(PARLEY)


@hookimpl
def register_upstreams(register: Callable[[object], None]) -> None:
    register(ParleyKind())
