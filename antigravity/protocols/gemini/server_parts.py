"""Decodes the turns of a client's request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

from msgspec import UNSET, UnsetType

from antigravity.ir.media import FileReference, InlineData, MediaKind, UrlSource, kind_of
from antigravity.ir.parts import Media, Opaque, Part, Text, Thinking, ToolCall, ToolResult
from antigravity.ir.request import Message
from antigravity.ir.signature import Signature
from antigravity.protocols import gemini_base64 as base64_text
from antigravity.protocols import gemini_signatures as signatures
from antigravity.protocols.call_arguments import json_text
from antigravity.protocols.gemini import schema
from antigravity.protocols.gemini.call_ids import CallIds
from antigravity.protocols.gemini.request_reader import reject, unknown_fields
from antigravity.protocols.gemini_media import is_youtube
from antigravity.protocols.tool_arguments import object_text

Role = Literal["system", "user", "assistant"]

#: The kind of an opaque part that adds fields to the part before it.
PART_FIELDS: Final = "part_fields"

_ROLES: Final[dict[str, Role]] = {
    "": "user",
    "user": "user",
    "function": "user",
    "tool": "user",
    "model": "assistant",
    "assistant": "assistant",
    "system": "system",
    "developer": "system",
}
_DETAILS: Final = {
    "MEDIA_RESOLUTION_LOW": "low",
    "MEDIA_RESOLUTION_MEDIUM": "medium",
    "MEDIA_RESOLUTION_HIGH": "high",
    "MEDIA_RESOLUTION_ULTRA_HIGH": "ultra_high",
}
#: Keys of a response object that holds nothing but text.
_RESULT_KEYS: Final = ("result", "output")
_EXTENSIONS: Final[dict[str, MediaKind]] = {
    "png": "image",
    "jpg": "image",
    "jpeg": "image",
    "webp": "image",
    "gif": "image",
    "heic": "image",
    "mp3": "audio",
    "wav": "audio",
    "flac": "audio",
    "ogg": "audio",
    "mp4": "video",
    "mov": "video",
    "webm": "video",
    "avi": "video",
}


def decode_messages(contents: Sequence[schema.Content], raw: Any, at: str) -> tuple[Message, ...]:
    """Return the turns; ``raw`` has the same contents as JSON, with unknown fields."""
    given = (
        part.function_call.id or ""
        for content in contents
        for part in content.parts
        if part.function_call is not UNSET and part.function_call.id is not UNSET
    )
    ids = CallIds(given)
    turns: list[tuple[Role, list[Part]]] = []
    for index, content in enumerate(contents):
        where = f"{at}.contents[{index}]"
        role = _ROLES.get(content.role.lower())
        if role is None:
            raise reject(f"{where}.role", f"{content.role!r} is not a role. Use user or model.")
        if role == "assistant":
            ids.begin_turn()
        raw_parts = raw[index].get("parts", ()) if content.parts else ()
        parts = [
            part
            for place, (wire, whole) in enumerate(zip(content.parts, raw_parts, strict=True))
            for part in _decode(wire, whole, ids, f"{where}.parts[{place}]")
        ]
        if turns and role == turns[-1][0] == "assistant":
            # Chats of official clients keep each chunk of a stream as a separate content.
            turns[-1][1].extend(parts)
        elif parts:
            turns.append((role, parts))
    return tuple(Message(role, _joined(parts)) for role, parts in turns)


def decode_parts(content: schema.Content, raw: Any, at: str) -> tuple[Part, ...]:
    """Return the parts of a content that is not a turn; ``raw`` is the same as JSON."""
    raw_parts = raw.get("parts", ()) if content.parts else ()
    return tuple(
        part
        for place, (wire, whole) in enumerate(zip(content.parts, raw_parts, strict=True))
        for part in _decode(wire, whole, CallIds(()), f"{at}.parts[{place}]")
    )


def _joined(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Return the parts with the pieces of each thought joined.

    A signature without text belongs to all of the thought before it.
    """
    joined: list[Part] = []
    pieces: list[str] = []  # of a thought at the end
    for part in parts:
        last = joined[-1] if joined else None
        if (
            isinstance(part, Thinking)
            and isinstance(last, Thinking)
            and part.redacted is None
            and last.redacted is None
            and last.signature is None
            and not (part.signature and part.text)
        ):
            pieces = pieces or [last.text]
            pieces.append(part.text)
            joined[-1] = part
        else:
            _join(joined, pieces)
            pieces = []
            joined.append(part)
    _join(joined, pieces)
    return tuple(joined)


def _join(parts: list[Part], pieces: Sequence[str]) -> None:
    """Give the thought at the end the text of its pieces, if there are several."""
    last = parts[-1] if parts else None
    if pieces and isinstance(last, Thinking):
        parts[-1] = Thinking("".join(pieces), last.signature)


def decode_system(content: schema.Content, at: str) -> tuple[Text, ...]:
    """Return the system instruction, which is text."""
    texts = []
    for place, part in enumerate(content.parts):
        if part.text is UNSET:
            if part.inline_data is not UNSET or part.file_data is not UNSET:
                raise reject(f"{at}.parts[{place}]", "a system instruction can hold text only.")
        elif part.text:
            texts.append(Text(part.text))
    return tuple(texts)


def _decode(part: schema.Part, whole: Any, ids: CallIds, at: str) -> Iterator[Part]:
    """Yield the decoded form of one part."""
    signature = _signature(part)
    if part.function_call is not UNSET:
        yield from _call(part.function_call, signature, ids, at)
    elif part.function_response is not UNSET:
        yield _result(part.function_response, ids, at)
    elif part.inline_data is not UNSET:
        yield from _foreign(signature)
        yield _inline(part.inline_data, f"{at}.inlineData", _detail(part), _own(signature))
        yield from _fields(part, whole)
    elif part.file_data is not UNSET:
        yield _file(part.file_data, f"{at}.fileData", _detail(part), _own(signature))
        yield from _fields(part, whole)
    elif part.executable_code is not UNSET:
        yield Opaque("gemini", "executableCode", whole)
    elif part.code_execution_result is not UNSET:
        yield Opaque("gemini", "codeExecutionResult", whole)
    elif part.thought is True:
        text = part.text or ""
        if signature is not None:
            yield signatures.thinking_of(signature, text)
        elif text:
            yield Thinking(text)
    elif part.text is not UNSET or signature is not None:
        yield from _foreign(signature)
        text, own = part.text or "", _own(signature)
        if text or own is not None:
            yield Text(text, signature=own)
    else:
        unknown = unknown_fields(whole, schema.Part)
        if unknown:
            yield Opaque("gemini", next(iter(unknown)), whole)


def _signature(part: schema.Part) -> Signature | None:
    text = part.thought_signature
    return signatures.from_wire(text) if text is not UNSET and text else None


def _own(signature: Signature | None) -> Signature | None:
    """Return a signature if it is Gemini's, else ``None``."""
    native = signature is not None and signature.family == signatures.FAMILY
    return signature if native else None


def _foreign(signature: Signature | None) -> Iterator[Part]:
    """Yield the thinking for a signature of another family: only Gemini signs other parts."""
    if signature is not None and signature.family != signatures.FAMILY:
        yield signatures.thinking_of(signature)


def _call(
    call: schema.FunctionCall, signature: Signature | None, ids: CallIds, at: str
) -> Iterator[Part]:
    if not call.name:
        raise reject(f"{at}.functionCall.name", "a function call needs a name.")
    yield from _foreign(signature)
    yield ToolCall(
        id=ids.add_call(call.name, call.id or ""),
        name=call.name,
        arguments=_arguments(call.args, f"{at}.functionCall.args"),
        signature=_own(signature),
    )


def _arguments(args: dict[str, Any] | str | UnsetType, at: str) -> str:
    """Return the arguments of a call, which some clients send as text."""
    if not isinstance(args, str):
        return json_text(args or {})
    found = object_text(args)
    if found is None:
        raise reject(at, "Expected `object`, got `str`")
    return found


def _result(response: schema.FunctionResponse, ids: CallIds, at: str) -> ToolResult:
    if not response.name and not response.id:
        raise reject(f"{at}.functionResponse.name", "a function response needs a name.")
    text, failed = _response_text(response.response)
    parts: list[Text | Media] = [Text(text)] if text else []
    for place, each in enumerate(response.parts or ()):
        where = f"{at}.functionResponse.parts[{place}]"
        if each.inline_data is not UNSET:
            parts.append(_inline(each.inline_data, f"{where}.inlineData", None, None))
        elif each.file_data is not UNSET:
            parts.append(_file(each.file_data, f"{where}.fileData", None, None))
    call_id = ids.match_response(response.name, response.id or "")
    return ToolResult(call_id, tuple(parts), failed, response.name or None)


def _response_text(response: Any) -> tuple[str, bool]:
    """Return a response's text, and whether it is an error."""
    if response is UNSET or response is None or response == {}:
        return "", False
    if isinstance(response, str):
        return response, False
    if isinstance(response, dict) and len(response) == 1:
        ((key, value),) = response.items()
        if key == "error":
            return value if isinstance(value, str) else json_text(value), True
        if key in _RESULT_KEYS and isinstance(value, str):
            return value, False
    return json_text(response), False


def _inline(blob: schema.Blob, at: str, detail: str | None, signature: Signature | None) -> Media:
    data = base64_text.to_standard(blob.data)
    if not data:
        raise reject(f"{at}.data", "this must be base64 text.")
    if not blob.mime_type:
        raise reject(f"{at}.mimeType", "a MIME type is required.")
    return Media(
        kind_of(blob.mime_type),
        InlineData(data),
        blob.mime_type,
        detail=detail,
        title=blob.display_name or None,
        signature=signature,
    )


def _file(file: schema.FileData, at: str, detail: str | None, signature: Signature | None) -> Media:
    uri = file.file_uri
    if not uri:
        raise reject(f"{at}.fileUri", "a URI is required.")
    on_the_web = uri.startswith(("http://", "https://")) and not _is_google_file(uri)
    source = UrlSource(uri) if on_the_web else FileReference(uri, "google")
    return Media(
        kind_of(file.mime_type) if file.mime_type else _kind_of_uri(uri),
        source,
        file.mime_type,
        detail=detail,
        title=file.display_name or None,
        signature=signature,
    )


def _is_google_file(uri: str) -> bool:
    host = uri.partition("://")[2].partition("/")[0]
    return host.endswith(".googleapis.com") and "/files/" in uri


def _kind_of_uri(uri: str) -> MediaKind:
    if is_youtube(uri):
        return "video"
    extension = uri.partition("?")[0].rpartition(".")[2].lower()
    return _EXTENSIONS.get(extension, "document")


def _detail(part: schema.Part) -> str | None:
    """Return the requested resolution if other protocols have it too, else ``None``."""
    requested = part.media_resolution
    level = requested.get("level") if isinstance(requested, dict) else requested
    return _DETAILS.get(level) if isinstance(level, str) else None


def _fields(part: schema.Part, whole: dict[str, Any]) -> Iterator[Part]:
    """Yield the fields beside media that only Gemini knows."""
    rest = unknown_fields(whole, schema.Part)
    if part.video_metadata is not UNSET:
        rest["videoMetadata"] = part.video_metadata
    if part.media_resolution is not UNSET and _detail(part) is None:
        rest["mediaResolution"] = part.media_resolution
    if rest:
        yield Opaque("gemini", PART_FIELDS, rest)
