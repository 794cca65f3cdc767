"""Encodes the messages of a request as steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from antigravity.ir.capabilities import Capabilities
from antigravity.ir.media import InlineData
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
from antigravity.protocols.gemini_interactions.schema import NAME, JsonObject
from antigravity.protocols.gemini_interactions.server_output import search_steps
from antigravity.protocols.gemini_media import google_mime_type, google_uri
from antigravity.protocols.gemini_signatures import FAMILY
from antigravity.protocols.losses import Losses

#: Begins a conversation whose first step is the model's.
_OPENING: Final = "(The conversation begins with the model's turn.)"
_RESOLUTIONS: Final = ("low", "medium", "high", "ultra_high")
#: Steps with which the model can answer, or begin to.
_ANSWERS: Final = ("model_output", "thought")


class StepWriter:
    """Writer of the steps of one request."""

    def __init__(self, request: Request, capabilities: Capabilities, losses: Losses) -> None:
        self._own = request.protocol == NAME
        self._capabilities = capabilities
        self._losses = losses
        self._names = _call_names(request)
        self._at = ""  # the path of the message
        self._signed = False  # whether the open turn of the model has a signature for its calls
        self.steps: list[JsonObject] = []
        for place, message in enumerate(request.messages):
            self._at = f"$.messages[{place}]"
            self._message(message)
        self._begin_with_user()
        self._drop_prefill()

    def _message(self, message: Message) -> None:
        if message.role != "assistant":
            self._signed = False
            # Results directly follow their calls.
            parts = sorted(message.parts, key=lambda part: not isinstance(part, ToolResult))
            for part in parts:
                self._user(part)
            return
        for part in message.parts:
            self._model(part)

    def _begin_with_user(self) -> None:
        if self.steps and self.steps[0]["type"] in (*_ANSWERS, "function_call"):
            self.steps.insert(0, _content_step("user_input", {"type": "text", "text": _OPENING}))
            self._losses.add("messages", "a user turn was put before the model's first turn")

    def _drop_prefill(self) -> None:
        """Drop the beginning of a response if the model does not continue one."""
        if self._capabilities.prefill:
            return
        kept = len(self.steps)
        while kept and self.steps[kept - 1]["type"] in _ANSWERS:
            kept -= 1
        if 0 < kept < len(self.steps):
            del self.steps[kept:]
            detail = "the assistant prefill was dropped: the model does not accept one"
            self._losses.add("messages", detail)

    # -- the user's parts -----------------------------------------------------------------

    def _user(self, part: Part) -> None:
        match part:
            case Text():
                if part.text.strip():
                    self._add_content("user_input", {"type": "text", "text": part.text})
            case Media():
                self._add_content("user_input", self._media(part))
            case ToolResult():
                self._result(part)
            case Opaque():
                self._opaque(part)
            case Thinking() | ToolCall() | WebSearch():
                detail = f"a {type(part).__name__} in a user turn was left out"
                self._losses.add("messages", detail, content=not isinstance(part, Thinking))

    def _result(self, result: ToolResult) -> None:
        """Write the result of a function, and behind it the media that it cannot contain."""
        media = [self._media(part) for part in result.parts if isinstance(part, Media)]
        texts = [part.text for part in result.parts if isinstance(part, Text)]
        name = self._names.get(result.call_id) or result.name or "unknown"
        found: Any = "\n".join(texts)
        if media and self._capabilities.media_in_tool_results:
            found, media = [*_texts(texts), *media], []
        elif not result.is_error:
            value = json_object(found)
            found = found if value is None else value
        step = {"type": "function_result", "call_id": result.call_id, "name": name, "result": found}
        self.steps.append({**step, "is_error": True} if result.is_error else step)
        if media:
            self._losses.add("messages", "media in a tool result were moved behind the result")
            text = f"[Media that {name} returned for {result.call_id}:]"
            for content in (*_texts([text]), *media):
                self._add_content("user_input", content)

    def _media(self, media: Media) -> JsonObject:
        """Return the content of media.

        :raises InvalidRequestError: if Google cannot read it.
        """
        content: JsonObject = {"type": media.kind}
        if isinstance(media.source, InlineData):
            content |= {"data": media.source.data, "mime_type": google_mime_type(media)}
        else:
            content["uri"] = google_uri(media, self._at)
            if media.mime_type:
                content["mime_type"] = media.mime_type
        if media.title or media.context:
            detail = "titles and context of media were dropped"
            self._losses.add("messages", detail, content=bool(media.context))
        if media.detail in _RESOLUTIONS and media.kind != "audio":
            if self._capabilities.media_resolution:
                content["resolution"] = media.detail
            else:
                detail = "the model does not accept a media resolution; detail was dropped"
                self._losses.add("messages", detail)
        return content

    # -- the model's parts ----------------------------------------------------------------

    def _model(self, part: Part) -> None:
        match part:
            case Thinking():
                self._thinking(part)
            case ToolCall():
                self._call(part)
            case Text():
                self._sign(part.signature)
                if part.text.strip():
                    self._add_content("model_output", {"type": "text", "text": part.text})
            case Media():
                self._sign(part.signature)
                self._add_content("model_output", self._media(part))
            case WebSearch() if self._own:
                self.steps += search_steps(part)
            case WebSearch():
                detail = "a web search of an earlier turn was left out"
                self._losses.add("messages", detail, content=True)
            case Opaque():
                self._opaque(part)
            case ToolResult():
                detail = "a tool result in an assistant turn was left out"
                self._losses.add("messages", detail, content=True)

    def _thinking(self, part: Thinking) -> None:
        """Write a thought; those of other protocols only to carry their signature."""
        if part.redacted is not None:
            detail = "redacted thinking of another family was left out"
            self._losses.add("messages", detail)
            return
        signature = self._native(part.signature)
        if signature is None and not (self._own and part.signature is None):
            return
        summary = _texts([part.text])
        self._thought(signature, summary)

    def _thought(self, signature: str | None, summary: list[JsonObject]) -> None:
        step: JsonObject = {"type": "thought"}
        if signature is not None:
            step["signature"] = signature
            self._signed = True
        if summary:
            step["summary"] = summary
        self.steps.append(step)

    def _sign(self, signature: Signature | None) -> None:
        """Write a signature, for which only thoughts have a field, before what it belongs to."""
        value = self._native(signature)
        last = self.steps[-1] if self.steps else {}
        if value is not None and last.get("signature") != value:
            self._thought(value, [])

    def _call(self, part: ToolCall) -> None:
        self._sign(part.signature)
        if self._capabilities.requires_signatures and not self._signed:
            self._replace_lost_signature()
        arguments = call_arguments(part.arguments, part.kind)
        call = {"type": "function_call", "id": part.id, "name": part.name}
        self.steps.append({**call, "arguments": arguments})

    def _replace_lost_signature(self) -> None:
        """Write a sentinel in place of the signature of a turn's calls."""
        self._signed = True
        sentinel = self._capabilities.signature_sentinel
        if sentinel is None:
            self._losses.add(
                "messages", "a tool call without its thought signature may be rejected"
            )
        else:
            self._thought(sentinel, [])
            self._losses.add("messages", "a lost thought signature was replaced by a sentinel")

    def _native(self, signature: Signature | None) -> str | None:
        """Return a signature that the model can read; record the loss of any other."""
        if signature is None or not signature.value:
            return None
        if signature.family == FAMILY:
            return signature.value
        self._losses.add("messages", f"a thought signature of {signature.family} was left out")
        return None

    def _opaque(self, part: Opaque) -> None:
        """Write a step that only this protocol knows."""
        if part.protocol == NAME:
            self.steps.append(part.wire)
            return
        detail = f"a part that only {part.protocol} knows was left out: {part.kind}"
        self._losses.add("messages", detail, content=True)

    def _add_content(self, kind: str, content: JsonObject) -> None:
        """Add content to the last step if it is of this kind, else to a new one."""
        last = self.steps[-1] if self.steps else None
        if last is not None and last["type"] == kind:
            last["content"].append(content)
        else:
            self.steps.append(_content_step(kind, content))


def _call_names(request: Request) -> Mapping[str, str]:
    """Return the names of the called functions by the ids of the calls."""
    return {
        part.id: part.name
        for message in request.messages
        for part in message.parts
        if isinstance(part, ToolCall)
    }


def _content_step(kind: str, content: JsonObject) -> JsonObject:
    return {"type": kind, "content": [content]}


def _texts(texts: list[str]) -> list[JsonObject]:
    """Return texts as contents, without empty ones."""
    return [{"type": "text", "text": text} for text in texts if text]
