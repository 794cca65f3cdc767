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
_LONGEST_WORDS: Final = 300


class ZaiVision(Struct, frozen=True):
    """The vision endpoint of z.ai, with the gateway's key."""

    transport: IHttpTransport
    url: str
    key: str
    model: str
    timeout: float

    def __repr__(self) -> str:
        return f"<ZaiVision {self.model}>"

    def see(self, sight: VisionRequest, principal: str) -> Deferred[str]:
        """Return a Deferred that fires with the model's text."""
        return Deferred.fromCoroutine(self._see(sight))

    async def _see(self, sight: VisionRequest) -> str:
        if not self.key:
            raise ToolError(
                "The gateway has no key for z.ai: set proxy.zai.api_key in its configuration, or "
                "mcp.vision.model for another model."
            )
        limits = Timeouts(first_byte=self.timeout, idle=self.timeout)
        body = msgspec.json.encode(request_body(sight, self.model))
        request = OutgoingRequest("POST", self.url, self._headers(), body, limits)
        response = await self.transport.send(request)
        status = response.status()
        answer = await response.collect(_LARGEST)
        if status != 200:
            raise _refused(status, answer)
        return answer_of(answer)

    def _headers(self) -> tuple[tuple[str, str], ...]:
        return (
            ("content-type", "application/json"),
            ("accept", "application/json"),
            ("accept-language", "en-US,en"),
            ("x-title", "antigravity MCP"),
            ("user-agent", USER_AGENT),
            ("authorization", f"Bearer {self.key}"),
        )


def request_body(sight: VisionRequest, model: str) -> dict[str, Any]:
    """Return the body of the request."""
    content = [_block(part) for part in sight.media]
    content.append({"type": "text", "text": sight.prompt})
    return {
        "model": model,
        "messages": [
            {"role": "system", "content": sight.instructions},
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


class _Said(Struct, frozen=True):
    content: str | None = None


class _Choice(Struct, frozen=True):
    message: _Said = _Said()


class _Answer(Struct, frozen=True):
    choices: list[_Choice]


class _Error(Struct, frozen=True):
    message: str = ""


class _Failed(Struct, frozen=True):
    error: _Error = _Error()


def answer_of(body: bytes) -> str:
    """Return the text of a response.

    :raises ToolError: if it is not a valid response.
    """
    try:
        choices = decode(body, _Answer).choices
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
        words = decode(body, _Failed).error.message[:_LONGEST_WORDS]
    except msgspec.DecodeError:
        words = ""
    return ToolError(
        f"z.ai responded with status {status}: {words}"
        if words
        else f"z.ai responded with status {status}."
    )
