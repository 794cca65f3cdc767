"""Media that a target does not accept in the client's form."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from msgspec.structs import replace

from antigravity.ir.capabilities import Capabilities, Family, Loss, Traits
from antigravity.ir.errors import UnreadablePartError
from antigravity.ir.media import FileReference, InlineData, MediaKind, UrlSource, kind_of
from antigravity.ir.parts import Media, Part, Text, ToolResult
from antigravity.ir.request import Message, Request

#: The families of models that read files stored at each provider.
FAMILIES: Final[dict[str, Family]] = {
    "openai": "openai",
    "anthropic": "claude",
    "google": "gemini",
}
#: Types that are not images, audio or video.
_TEXTS: Final = ("text/", "application/json", "application/xml", "application/xhtml")
_A_KIND: Final[dict[MediaKind, str]] = {
    "image": "An image",
    "document": "A document",
    "audio": "A recording",
    "video": "A video",
}


def _each(request: Request) -> Iterator[Media]:
    for message in request.messages:
        yield from _media_of(message)


def urls_to_fetch(request: Request, traits: Traits) -> tuple[str, ...]:
    """Return the addresses of the media that the target does not fetch itself, each once."""
    urls = (
        media.source.url
        for media in _each(request)
        if isinstance(media.source, UrlSource)
        and media.kind not in traits.url_media
        and media.source.url.lower().startswith(("http://", "https://"))
    )
    return tuple(dict.fromkeys(urls))


def with_fetched(request: Request, fetched: Mapping[str, tuple[str, str]]) -> Request:
    """Return the request with fetched media inline; the values are MIME type and base64 text.

    :raises UnreadablePartError: if there is a text where an image, a recording or a video should
        be: the page of a login, say, or one that tells that nothing is there.
    """

    def inline(media: Media) -> Part:
        if not isinstance(media.source, UrlSource) or media.source.url not in fetched:
            return media
        mime_type, data = fetched[media.source.url]
        if media.kind != "document" and mime_type.startswith(_TEXTS):
            raise UnreadablePartError(
                f"{_A_KIND[media.kind]} was expected at a URL that returns {mime_type}.",
                value=media.source.url,
                param="messages",
                code="unsupported_media",
            )
        kind = media.kind if media.kind == "document" else kind_of(mime_type)
        return replace(media, source=InlineData(data), mime_type=mime_type, kind=kind)

    return _map_media(request, inline) if fetched else request


def check_files(request: Request, traits: Traits, capabilities: Capabilities) -> None:
    """Check that the target can read all files that are stored at a provider.

    A file of another provider, or one that is named where the target has no place for its id,
    cannot be fetched by the gateway either: it has no right to it.

    :raises UnreadablePartError: for the first file that cannot be read.
    """
    for message in request.messages:
        if message.role == "assistant":
            continue
        for media in _media_of(message):
            problem = _unreadable(media, traits, capabilities)
            if problem:
                raise UnreadablePartError(
                    f"{problem} Send the content of the file instead.",
                    value=_address(media),
                    param="messages",
                    code="unsupported_file",
                )


def _unreadable(media: Media, traits: Traits, capabilities: Capabilities) -> str:
    """Return why the target cannot get at a medium, empty if it can."""
    source, kind = media.source, _A_KIND[media.kind]
    if isinstance(source, FileReference):
        place = f"{kind} is given as a file that is stored at {source.provider}"
        if source.provider != traits.file_provider:
            return f"{place}, where the model that serves this request cannot read it."
        if capabilities.family != FAMILIES.get(source.provider) or media.kind not in traits.files:
            return f"{place}, and the model that serves this request cannot read it by its id."
    elif isinstance(source, UrlSource):
        scheme = source.url.partition(":")[0].lower()
        if scheme not in ("http", "https", "data") and not (
            scheme == "gs" and traits.file_provider == "google"
        ):
            return f"{kind} is given by a URL that cannot be fetched for this model."
    return ""


def check_sole_media(
    request: Request, traits: Traits, capabilities: Capabilities, model: str
) -> None:
    """Check that the user's turn contains something that the target can read.

    A model that gets only a note would invent an answer.

    :raises UnreadablePartError: if nothing but unreadable media stands in the last turn.
    """
    refused: Media | None = None
    for message in reversed(request.messages):
        if message.role == "assistant":
            break
        if message.role == "system":
            continue
        for part in message.parts:
            if isinstance(part, Media):
                if not _why_not(part, traits, capabilities, model):
                    return
                refused = refused or part
            elif not isinstance(part, Text) or part.text.strip():
                return
    if refused is not None:
        why = _why_not(refused, traits, capabilities, model)
        raise UnreadablePartError(
            f"The request contains only {_A_KIND[refused.kind].lower()}, and {why}. Send text, "
            "or choose a model that takes it.",
            value=_address(refused),
            param="messages",
            code="unsupported_media",
        )


def without_unsupported(
    request: Request, traits: Traits, capabilities: Capabilities, model: str
) -> tuple[Request, tuple[Loss, ...]]:
    """Return the request with notes instead of media that the target does not accept.

    Media stay if the protocol supports them and the capabilities of the model are not known.
    """
    if all(
        capabilities.reads(media.kind) and not _why_not(media, traits, capabilities, model)
        for media in _each(request)
    ):
        return request, ()
    losses: dict[Loss, None] = {}

    def note(media: Media) -> Part:
        why = _why_not(media, traits, capabilities, model)
        if not why:
            text = None if capabilities.reads(media.kind) else _text_of(media)
            if text is None:
                return media
            title = f"{media.title}:\n" if media.title else ""
            return Text(f"{title}{text}", cache=media.cache)
        losses[Loss("messages", f"{why}: replaced by a note", content=True)] = None
        return Text(f"[{media.kind} left out: {model} cannot read it]", cache=media.cache)

    return _map_media(request, note), tuple(losses)


def _why_not(media: Media, traits: Traits, capabilities: Capabilities, model: str) -> str:
    """Return why a target does not take a medium, empty if it does."""
    if not capabilities.reads(media.kind):
        return "" if _text_of(media) is not None else f"{model} does not accept {media.kind}"
    if not traits.accepts(media) and not _is_text(media):
        what = media.kind if media.kind not in traits.media else f"{media.kind} of this type"
        return f"the protocol of the upstream that serves {model} cannot carry {what}"
    return ""


def _is_text(media: Media) -> bool:
    """Return whether a document is plain text, which can always be sent."""
    return _text_of(media) is not None


def _text_of(media: Media) -> str | None:
    """Return the text of a plain text document, if it is one."""
    if media.kind != "document" or not isinstance(media.source, InlineData):
        return None
    try:
        return base64.b64decode(media.source.data, validate=True).decode()
    except ValueError:
        return None


def _address(media: Media) -> str:
    """Return a text that identifies a medium in the client's request."""
    match media.source:
        case InlineData(data):
            return data
        case UrlSource(url):
            return url
        case FileReference(identity):
            return identity


def _media_of(message: Message) -> Iterator[Media]:
    for part in message.parts:
        if isinstance(part, Media):
            yield part
        elif isinstance(part, ToolResult):
            yield from (inner for inner in part.parts if isinstance(inner, Media))


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
