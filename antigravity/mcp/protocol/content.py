"""Encode the results of tools, prompts and resources for a revision."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from antigravity.interfaces.mcp_values import (
    Audio,
    Contents,
    Embedded,
    Image,
    PromptMessage,
    PromptResult,
    ResourceLink,
    Text,
    ToolResult,
)
from antigravity.mcp.protocol.revisions import Revision

_BLOCKS = (Text, Image, Audio, ResourceLink, Embedded)


def tool_result(value: Any, *, has_schema: bool) -> ToolResult:
    """Return a tool's return value as a complete result.

    :raises TypeError: if the value is not a result or content.
    """
    if isinstance(value, ToolResult):
        return value
    if has_schema and not isinstance(value, _BLOCKS):
        return ToolResult((), value)
    if value is None:
        return ToolResult()
    if isinstance(value, str):
        return ToolResult((Text(value),))
    if isinstance(value, (*_BLOCKS, Mapping)):
        return ToolResult((value,))
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return ToolResult(tuple(value))
    raise TypeError(f"a tool returned {type(value).__name__}, which is not content")


def encode_tool_result(found: ToolResult, revision: Revision) -> dict[str, Any]:
    """Return the result of ``tools/call``."""
    blocks = [block(content, revision) for content in found.content]
    structured = found.structured
    if structured is not None and not blocks:
        blocks = [{"type": "text", "text": msgspec.json.encode(structured).decode()}]
    out: dict[str, Any] = {"content": blocks, "isError": found.is_error}
    if (
        structured is not None
        and revision.structured
        and (revision.any_structure or isinstance(structured, Mapping))
    ):
        out["structuredContent"] = structured
    return _with_meta(out, found.meta)


def failed(message: str) -> dict[str, Any]:
    """Return the result of a tool that has failed."""
    return {"content": [{"type": "text", "text": message}], "isError": True}


def encode_prompt(value: Any, revision: Revision) -> dict[str, Any]:
    """Return the result of ``prompts/get``.

    :raises TypeError: if the prompt did not return messages.
    """
    if isinstance(value, str):
        value = PromptResult((PromptMessage(Text(value)),))
    elif not isinstance(value, PromptResult):
        if not isinstance(value, Sequence) or isinstance(value, (bytes, bytearray)):
            raise TypeError(
                f"a prompt returned {type(value).__name__}, which is not a prompt result"
            )
        value = PromptResult(value)
    messages = [
        {"role": m.role, "content": block(m.content, revision)}
        if isinstance(m, PromptMessage)
        else m
        for m in value.messages
    ]
    out: dict[str, Any] = {"messages": messages}
    if value.description:
        out["description"] = value.description
    return _with_meta(out, value.meta)


def encode_resource(value: Any, uri: str, mime_type: str) -> dict[str, Any]:
    """Return the result of ``resources/read``.

    :raises TypeError: if the resource did not return contents.
    """
    if isinstance(value, (str, bytes, Contents)):
        value = (value,)
    if not isinstance(value, Sequence):
        raise TypeError(
            f"a resource returned {type(value).__name__}, which is not resource contents"
        )
    return {"contents": [_contents(one, uri, mime_type) for one in value]}


def block(content: Any, revision: Revision) -> Any:
    """Return one block of content.

    :raises TypeError: if it is not content.
    """
    match content:
        case str():
            return {"type": "text", "text": content}
        case Text():
            out: dict[str, Any] = {"type": "text", "text": content.text}
        case Image():
            out = _media("image", content)
        case Audio() if revision.audio:
            out = _media("audio", content)
        case Audio():
            return {"type": "text", "text": f"[audio, {content.mime_type}]"}
        case ResourceLink() if revision.links:
            out = _link(content)
        case ResourceLink():
            return {"type": "text", "text": f"{content.title or content.name}: {content.uri}"}
        case Embedded():
            out = {"type": "resource", "resource": _contents(content.contents, "", "")}
        case Mapping():
            return content
        case _:
            raise TypeError(f"{type(content).__name__} is not content")
    if content.annotations is not None:
        out["annotations"] = content.annotations
    return out


def _media(kind: str, content: Image | Audio) -> dict[str, Any]:
    return {
        "type": kind,
        "data": b64encode(content.data).decode(),
        "mimeType": content.mime_type,
    }


def _link(content: ResourceLink) -> dict[str, Any]:
    out = {"type": "resource_link", "uri": content.uri, "name": content.name}
    for key, value in (
        ("title", content.title),
        ("description", content.description),
        ("mimeType", content.mime_type),
    ):
        if value:
            out[key] = value
    return out


def _contents(contents: Any, uri: str, mime_type: str) -> Any:
    if isinstance(contents, Mapping):
        return contents
    if isinstance(contents, (str, bytes)):
        contents = Contents(contents)
    out: dict[str, Any] = {"uri": contents.uri or uri}
    if contents.mime_type or mime_type:
        out["mimeType"] = contents.mime_type or mime_type
    if isinstance(contents.value, bytes):
        out["blob"] = b64encode(contents.value).decode()
    else:
        out["text"] = contents.value
    return _with_meta(out, contents.meta)


def _with_meta(out: dict[str, Any], meta: Mapping[str, Any] | None) -> dict[str, Any]:
    if meta:
        out["_meta"] = dict(meta)
    return out
