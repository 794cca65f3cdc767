"""Send vision requests to a model of z.ai."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred

from antigravity.interfaces.mcp_values import ToolError
from antigravity.interfaces.transport import IHttpTransport, OutgoingRequest, Timeouts
from antigravity.ir.json_reader import decode
from antigravity.ir.media import InlineData, data_url
from antigravity.ir.parts import Media
from antigravity.logs import make_logger
from antigravity.mcp.vision.vision_request import VisionRequest
from antigravity.version import USER_AGENT

log = make_logger()

_LARGEST: Final = 16 * 1024 * 1024
_LONGEST_MESSAGE: Final = 300


class ZaiVision(Struct, frozen=True):
    """The vision endpoint of z.ai, with the gateway's key."""

    transport: IHttpTransport
    url: str
    key: str
    model: str
    timeout: float

    def __repr__(self) -> str:
        return f"<ZaiVision {self.model}>"

    def ask(self, request: VisionRequest, principal: str) -> Deferred[str]:
        """Return a Deferred that fires with the model's text."""
        return Deferred.fromCoroutine(self._ask(request))

    async def _ask(self, request: VisionRequest) -> str:
        if not self.key:
            raise ToolError(
                "The gateway has no key for z.ai: set proxy.zai.api_key in its configuration, or "
                "mcp.vision.model for another model."
            )
        limits = Timeouts(first_byte=self.timeout, idle=self.timeout)
        body = msgspec.json.encode(request_body(request, self.model))
        outgoing = OutgoingRequest("POST", self.url, self._headers(), body, limits)
        response = await self.transport.send(outgoing)
        status = response.status()
        data = await response.collect(_LARGEST)
        if status != 200:
            raise _refused(status, data)
        return parse_response(data)

    def _headers(self) -> tuple[tuple[str, str], ...]:
        return (
            ("content-type", "application/json"),
            ("accept", "application/json"),
            ("accept-language", "en-US,en"),
            ("x-title", "antigravity MCP"),
            ("user-agent", USER_AGENT),
            ("authorization", f"Bearer {self.key}"),
        )


def request_body(request: VisionRequest, model: str) -> dict[str, Any]:
    """Return the body of the request."""
    content = [_block(part) for part in request.media]
    content.append({"type": "text", "text": request.prompt})
    return {
        "model": model,
        "messages": [
            {"role": "system", "content": request.instructions},
            {"role": "user", "content": content},
        ],
        "thinking": {"type": "enabled"},
        "stream": False,
        "temperature": 0.8,
        "top_p": 0.6,
        "max_tokens": 32768,
    }


def _block(part: Media) -> dict[str, Any]:
    assert isinstance(part.source, InlineData)
    kind = "video_url" if part.kind == "video" else "image_url"
    return {"type": kind, kind: {"url": data_url(part.mime_type, part.source.data)}}


class _Message(Struct, frozen=True):
    content: str | None = None


class _Choice(Struct, frozen=True):
    message: _Message = _Message()


class _Response(Struct, frozen=True):
    choices: list[_Choice]


class _Error(Struct, frozen=True):
    message: str = ""


class _ErrorBody(Struct, frozen=True):
    error: _Error = _Error()


def parse_response(body: bytes) -> str:
    """Return the text of a response.

    :raises ToolError: if it is not a valid response.
    """
    try:
        choices = decode(body, _Response).choices
    except msgspec.DecodeError:
        raise ToolError("z.ai sent a malformed response.") from None
    return (choices[0].message.content or "") if choices else ""


def _refused(status: int, body: bytes) -> ToolError:
    if status in (401, 403):
        log.error("z.ai rejected the gateway's key ({status})", status=status)
        return ToolError(
            "z.ai rejected the gateway's key; check proxy.zai.api_key in its configuration."
        )
    try:
        message = decode(body, _ErrorBody).error.message[:_LONGEST_MESSAGE]
    except msgspec.DecodeError:
        message = ""
    return ToolError(
        f"z.ai responded with status {status}: {message}"
        if message
        else f"z.ai responded with status {status}."
    )
