"""Encodes the turns of a request as ``contents``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from antigravity.ir.capabilities import Capabilities
from antigravity.ir.parts import (
    Media,
    Opaque,
    Part,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    WebSearch,
)
from antigravity.ir.request import Message, Request
from antigravity.ir.signature import Signature
from antigravity.protocols.call_arguments import call_arguments, json_object
from antigravity.protocols.gemini.client_media import media_fields, media_part
from antigravity.protocols.gemini.server_parts import PART_FIELDS
from antigravity.protocols.gemini_signatures import FAMILY, family_of
from antigravity.protocols.losses import Losses

WirePart = dict[str, Any]

_NO_CONTENT: Final = "(no content)"
#: Begins a conversation whose first turn is the model's.
_OPENING: Final = "(The conversation begins with the model's turn.)"


def encode_contents(
    request: Request, capabilities: Capabilities, losses: Losses
) -> list[dict[str, Any]]:
    """Return ``contents``: alternating turns, the first from the user, none empty."""
    names = {
        part.id: part.name
        for message in request.messages
        for part in message.parts
        if isinstance(part, ToolCall)
    }
    turns: list[tuple[str, list[WirePart]]] = []
    waiting: list[WirePart] = []
    for index, message in enumerate(request.messages):
        at = f"$.messages[{index}]"
        if message.role == "assistant":
            role, parts = "model", _ModelTurn(capabilities, losses, at).encode(message)
            if all(part.get("thought") for part in parts):
                waiting += parts  # rejected unless something follows it in its turn
                continue
            parts, waiting = waiting + parts, []
        else:
            role, parts = "user", _user_turn(message, names, capabilities, losses, at)
            waiting = [] if parts else waiting
        if parts and turns and turns[-1][0] == role:
            turns[-1][1].extend(parts)
        elif parts:
            turns.append((role, parts))
    if turns and turns[0][0] == "model":
        turns.insert(0, ("user", [{"text": _OPENING}]))
        losses.add("messages", "a user turn was put before the model's first turn")
    for role, parts in turns:
        parts.sort(key=_rank if role == "model" else _user_rank)
        if role == "model" and capabilities.requires_signatures:
            _sign_first_call(parts, capabilities, losses)
    return [{"role": role, "parts": parts} for role, parts in turns]


def _rank(part: WirePart) -> int:
    """Return the place of a part in a model's turn: thought, text, anything else, calls."""
    if part.get("thought"):
        return 0
    if "text" in part:
        return 1
    return 3 if "functionCall" in part else 2


def _user_rank(part: WirePart) -> int:
    """Return the place of a part in a user's turn: results directly follow their calls."""
    return 0 if "functionResponse" in part else 1


def _sign_first_call(parts: Iterable[WirePart], capabilities: Capabilities, losses: Losses) -> None:
    """Replace a lost signature of the first call of a turn by the sentinel."""
    first = next((part for part in parts if "functionCall" in part), None)
    if first is None or "thoughtSignature" in first:
        return
    if capabilities.signature_sentinel is None:
        losses.add("messages", "a tool call without its thought signature may be rejected")
    else:
        first["thoughtSignature"] = capabilities.signature_sentinel
        losses.add("messages", "a lost thought signature was replaced by a sentinel")


def _is_empty(text: str) -> bool:
    return not text.strip() or text.strip() == _NO_CONTENT


class _ModelTurn:
    """Encodes one message of the assistant.

    A signature on thinking belongs to the call behind it: clients of other protocols return
    it this way.  Thinking itself is sent again only to carry a signature.  Claude models
    behind this protocol sign the thinking itself and need it back.
    """

    def __init__(self, capabilities: Capabilities, losses: Losses, at: str) -> None:
        self._capabilities = capabilities
        self._family = family_of(capabilities)
        self._losses = losses
        self._at = at
        self._parts: list[WirePart] = []
        self._waiting: Thinking | None = None
        self._in_calls = False

    def encode(self, message: Message) -> list[WirePart]:
        """Return the parts of the turn."""
        for place, part in enumerate(message.parts):
            self._part(part, f"{self._at}.parts[{place}]")
            self._in_calls = isinstance(part, ToolCall)
        self._release()
        return self._parts

    def _part(self, part: Part, at: str) -> None:
        match part:
            case Thinking():
                self._thinking(part)
            case ToolCall():
                self._call(part)
            case Text():
                signature = self._native(part.signature)
                if signature is not None or not _is_empty(part.text):
                    self._add({"text": part.text}, signature)
            case Media():
                wire = media_part(part, self._capabilities, self._losses, at)
                self._add(wire, self._native(part.signature))
            case WebSearch():
                self._losses.add(
                    "messages", "a web search of an earlier turn was left out", content=True
                )
            case Opaque():
                _opaque(part, self._parts, self._losses)
            case ToolResult():
                self._losses.add(
                    "messages", "a tool result in an assistant turn was left out", content=True
                )

    def _thinking(self, part: Thinking) -> None:
        signature = None if part.redacted is not None else self._native(part.signature)
        if part.redacted is not None:
            self._losses.add("messages", "redacted thinking of another family was left out")
        if signature is not None:
            self._release()
            self._waiting = part

    def _call(self, part: ToolCall) -> None:
        signature = self._native(part.signature)
        waiting = None if self._in_calls or self._family != FAMILY else self._waiting
        if waiting is not None and signature in (None, waiting.signature):
            signature, self._waiting = waiting.signature, None
        call = {
            "id": part.id,
            "name": part.name,
            "args": call_arguments(part.arguments, part.kind),
        }
        self._add({"functionCall": call}, signature)

    def _release(self) -> None:
        """Add the pending thinking as a thought of its own, if no call has its signature."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._add({"text": waiting.text, "thought": True}, waiting.signature)

    def _native(self, signature: Signature | None) -> Signature | None:
        """Return a signature that the model can read; record the loss of any other."""
        if signature is None or signature.family == self._family:
            return signature
        self._losses.add("messages", f"a thought signature of {signature.family} was left out")
        return None

    def _add(self, part: WirePart, signature: Signature | None) -> None:
        if signature is not None and signature.value:
            part["thoughtSignature"] = signature.value
        self._parts.append(part)


def _user_turn(
    message: Message,
    names: dict[str, str],
    capabilities: Capabilities,
    losses: Losses,
    at: str,
) -> list[WirePart]:
    """Return the parts of a turn of the user."""
    parts: list[WirePart] = []
    for place, part in enumerate(message.parts):
        where = f"{at}.parts[{place}]"
        match part:
            case Text():
                if not _is_empty(part.text):
                    parts.append({"text": part.text})
            case Media():
                parts.append(media_part(part, capabilities, losses, where))
            case ToolResult():
                parts += _result(part, names, capabilities, losses, where)
            case Opaque():
                _opaque(part, parts, losses)
            case Thinking() | ToolCall() | WebSearch():
                detail = f"a {type(part).__name__} in a user turn was left out"
                losses.add("messages", detail, content=not isinstance(part, Thinking))
    return parts


def _opaque(part: Opaque, parts: list[WirePart], losses: Losses) -> None:
    """Add a part that only Gemini knows, or its fields to the previous part."""
    if part.protocol != "gemini":
        detail = f"a part that only {part.protocol} knows was left out: {part.kind}"
        losses.add("messages", detail, content=True)
    elif part.kind != PART_FIELDS:
        parts.append(dict(part.wire))
    elif parts:
        parts[-1] = {**part.wire, **parts[-1]}


def _result(
    result: ToolResult,
    names: dict[str, str],
    capabilities: Capabilities,
    losses: Losses,
    at: str,
) -> Iterator[WirePart]:
    """Yield a function's response, and behind it the media that it cannot contain."""
    media = [part for part in result.parts if isinstance(part, Media)]
    response: dict[str, Any] = {
        "id": result.call_id,
        "name": names.get(result.call_id) or result.name or "unknown",
        "response": _response(result),
    }
    if media and capabilities.media_in_tool_results:
        response["parts"] = [media_fields(each, f"{at}.parts") for each in media]
        media = []
    yield {"functionResponse": response}
    if media:
        losses.add("messages", "media in a tool result were moved behind the results")
        # Behind all results of the turn, only this text names their call.
        yield {"text": f"[Media that {response['name']} returned for {result.call_id}:]"}
    for each in media:
        yield media_part(each, capabilities, losses, f"{at}.parts")


def _response(result: ToolResult) -> Any:
    """Return the ``response`` of a function, which must be an object."""
    text = "\n".join(part.text for part in result.parts if isinstance(part, Text))
    if result.is_error:
        return {"error": text}
    found = json_object(text)
    return {"result": text} if found is None else found
