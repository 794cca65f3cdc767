"""Media that a target cannot take as the client sent it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from msgspec.structs import replace

from antigravity.ir.capabilities import Capabilities, Loss, Traits
from antigravity.ir.media import InlineData, UrlSource, kind_of
from antigravity.ir.parts import Media, Part, Text, ToolResult
from antigravity.ir.request import Message, Request


def _each(request: Request) -> Iterator[Media]:
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, Media):
                yield part
            elif isinstance(part, ToolResult):
                yield from (inner for inner in part.parts if isinstance(inner, Media))


def urls_to_fetch(request: Request, traits: Traits) -> tuple[str, ...]:
    """Return the addresses of the media that the target won't fetch itself, each once."""
    urls = (
        media.source.url
        for media in _each(request)
        if isinstance(media.source, UrlSource)
        and media.kind not in traits.url_media
        and media.source.url.lower().startswith(("http://", "https://"))
    )
    return tuple(dict.fromkeys(urls))


def with_fetched(request: Request, fetched: Mapping[str, tuple[str, str]]) -> Request:
    """Return the request with fetched media inline; the values are MIME type and base64 text."""

    def inline(media: Media) -> Part:
        if not isinstance(media.source, UrlSource) or media.source.url not in fetched:
            return media
        mime_type, data = fetched[media.source.url]
        kind = media.kind if media.kind == "document" else kind_of(mime_type)
        return replace(media, source=InlineData(data), mime_type=mime_type, kind=kind)

    return _map_media(request, inline) if fetched else request


def without_unsupported(
    request: Request, capabilities: Capabilities, model: str
) -> tuple[Request, tuple[Loss, ...]]:
    """Return the request with a note in the place of media that the model cannot read.

    Nothing is changed where it is not known what the model reads.
    """
    readable = capabilities.inputs
    if not readable or all(media.kind in readable for media in _each(request)):
        return request, ()
    losses: list[Loss] = []

    def note(media: Media) -> Part:
        if media.kind in readable:
            return media
        losses.append(Loss("messages", f"{model} reads no {media.kind}: a note took its place"))
        return Text(f"[{media.kind} left out: {model} cannot read it]", cache=media.cache)

    return _map_media(request, note), tuple(losses)


def _map_media(request: Request, change: Callable[[Media], Part]) -> Request:
    return replace(
        request, messages=tuple(_map_message(message, change) for message in request.messages)
    )


def _map_message(message: Message, change: Callable[[Media], Part]) -> Message:
    return replace(message, parts=tuple(_map_part(part, change) for part in message.parts))


def _map_part(part: Part, change: Callable[[Media], Part]) -> Part:
    if isinstance(part, Media):
        return change(part)
    if isinstance(part, ToolResult):
        inner = tuple(change(p) if isinstance(p, Media) else p for p in part.parts)
        return replace(part, parts=inner)
    return part
