"""Pieces of an answer that streams and whole replies write alike."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from antigravity.ir.call import ReplyContext
from antigravity.ir.events import FinishReason
from antigravity.ir.media import InlineData, MediaSource, UrlSource, data_url
from antigravity.ir.parts import Citation
from antigravity.protocols.json_body import load_object

_FINISH: Final[dict[FinishReason, str]] = {
    "stop": "stop",
    "length": "length",
    "stop_sequence": "stop",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "pause": "length",  # there is more to come, and no word for how
}


class Told(Struct, frozen=True):
    """What a choice has told that bears on the reason for its end."""

    calls: bool
    refusal: bool
    legacy: bool


def finish_reason(reason: FinishReason, told: Told) -> str:
    """Return OpenAI's word for the end of a choice.

    Calls beat a plain stop, and no calls can't be the reason where there are none: agents
    wait for calls that never come.
    """
    if reason == "refusal":
        return "stop" if told.refusal else "content_filter"
    word = _FINISH[reason]
    if word in ("stop", "tool_calls"):
        if not told.calls:
            return "stop"
        return "function_call" if told.legacy else "tool_calls"
    return word


def is_legacy(context: ReplyContext) -> bool:
    """Return whether the client offered functions in the old way and expects calls like that."""
    body = context.call.body
    if b'"functions"' not in body:
        return False
    fields = load_object(body)
    return bool(fields.get("functions")) and not fields.get("tools")


def annotation(citation: Citation, position: int) -> dict[str, Any]:
    """Return a source; where its place is not known it stands at ``position``."""
    known = citation.start is not None and citation.end is not None
    return {
        "type": "url_citation",
        "url_citation": {
            "url": citation.url,
            "title": citation.title,
            "start_index": citation.start if known else position,
            "end_index": citation.end if known else position,
        },
    }


def image(mime_type: str, source: MediaSource) -> dict[str, Any] | None:
    """Return an image of the answer, in the shape that compatible servers have agreed on."""
    match source:
        case InlineData(data=data):
            url = data_url(mime_type, data)
        case UrlSource(url=url):
            pass
        case _:
            return None
    return {"type": "image_url", "image_url": {"url": url}}


def token_logprobs(content: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return log probabilities with the fields that clients insist on."""
    return [{"bytes": None, "top_logprobs": [], **entry} for entry in content]
