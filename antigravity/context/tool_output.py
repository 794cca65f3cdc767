"""Shortens long tool results.  Pure.

All functions are idempotent, and return short results unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from msgspec.structs import replace

from antigravity.ir.parts import Media, Part, Text, ToolResult
from antigravity.ir.request import Message

#: The maximum of characters of any result.
LONGEST: Final = 200_000
#: An accessibility snapshot of a web page with more characters is cut to ``SNAPSHOT_KEPT``.
SNAPSHOT_LONGEST: Final = 20_000
SNAPSHOT_KEPT: Final = 16_000
#: The maximum of characters after a notice that the output was saved to a file.
SAVED_KEPT: Final = 2_000
#: A run of base64 with this many characters is replaced by a note.
BLOB_LONGEST: Final = 2_048
#: The share of the kept characters that is from the beginning; the rest is from the end.
HEAD_SHARE: Final = 0.7
#: Results up to this length are not replaced by a note.
STUB_WORTH: Final = 400
#: :func:`shortened` does not change shorter texts.
SHORTEST: Final = BLOB_LONGEST

#: These patterns run in linear time: a run begins only after a character that is not part of one,
#: and a line only at the beginning of a line.
_KIND: Final = r"data:(?P<kind>[\w.+/-]{1,80}+)(?:;(?!base64,)[\w=.-]{1,80}+){0,4};base64,"
_RUN: Final = re.compile(rf"(?:{_KIND})?(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{{2048,}}+={{0,2}}")
_LINE: Final = re.compile(r"^(?:[A-Za-z0-9+/]{60,76}+)\r?\n", re.MULTILINE)
_LAST_LINE: Final = re.compile(r"[A-Za-z0-9+/]{1,75}+={0,2}(?=\r?\n|\Z)")
_BEGIN: Final = re.compile(rf"(?:{_KIND})(?:[A-Za-z0-9+/]{{1,76}}\r?\n)?\Z")
#: The number of lines of base64 that are replaced by a note.
_BLOB_LINES: Final = 32
#: The maximum of characters between the beginning of a data URL and the second line of its data.
_LONGEST_BEGIN: Final = 512
#: The number of characters of a text that are searched.
_SEARCHED: Final = 8 * LONGEST
_SAVED: Final = re.compile(
    r"\b(?:output|result|content|response)\b[^\n]{0,200}?"
    r"\b(?:saved|written|persisted) (?:to|in|at)\b"
    r"[^\n]{0,500}",
    re.IGNORECASE,
)
#: The number of characters that are searched for a notice.
_SAVED_WITHIN: Final = 2_000
#: Elements of a page, as browser tools number them.
_ELEMENT: Final = re.compile(r"\[ref=\w+\]|\buid=\d+_\d+")
#: The number of elements that identifies an accessibility snapshot.
_ELEMENTS: Final = 20


def cut(text: str, limit: int, head_share: float = HEAD_SHARE) -> str:
    """Return at most ``limit`` characters: the beginning, a note, and the end."""
    if len(text) <= limit:
        return text
    note = f"\n[... {len(text) - limit} characters left out ...]\n"
    room = max(0, limit - len(note))
    head = int(room * head_share)
    tail = room - head
    return text[:head] + note + (text[-tail:] if tail else "")


def shortened_text(text: str) -> str:
    """Return the text of a tool result without base64, shortened to the limit for its kind."""
    if len(text) < SHORTEST:
        return text
    text = _without_blobs(cut(text, _SEARCHED))
    saved = _SAVED.search(text, 0, _SAVED_WITHIN)
    if saved is not None:
        return text[: saved.end()] + cut(text[saved.end() :], SAVED_KEPT)
    if len(text) > SNAPSHOT_LONGEST and _is_snapshot(text):
        return cut(text, SNAPSHOT_KEPT)
    return cut(text, LONGEST)


def shortened(message: Message) -> Message:
    """Return the message with shortened tool results."""
    return _with_results(message, _shortened_result)


def stubbed(message: Message) -> Message:
    """Return the message with notes instead of its tool results, except for short ones."""
    return _with_results(message, _stub)


def _without_blobs(text: str) -> str:
    """Return a text with notes instead of base64 data, on one line or several."""
    if max(map(len, text.split()), default=0) >= BLOB_LONGEST:
        text = _RUN.sub(lambda found: _note(found["kind"], len(found[0])), text)
    pieces: list[str] = []
    done = 0
    for begin, end in _blocks(text):
        opening = _BEGIN.search(text, max(done, begin - _LONGEST_BEGIN), begin)
        kind = None
        if opening is not None:
            begin, kind = opening.start(), opening["kind"]
        last = _LAST_LINE.match(text, end)
        if last is not None:
            end = last.end()
        pieces += [text[done:begin], _note(kind, end - begin)]
        done = end
    return "".join([*pieces, text[done:]]) if pieces else text


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    """Yield the begin and end of each block of base64 lines."""
    begin = end = lines = 0
    for line in _LINE.finditer(text):
        if line.start() != end:
            if lines >= _BLOB_LINES:
                yield begin, end
            begin, lines = line.start(), 0
        end = line.end()
        lines += 1
    if lines >= _BLOB_LINES:
        yield begin, end


def _note(kind: str | None, size: int) -> str:
    what = f" ({kind})" if kind else ""
    return f"[base64 data{what} left out: {size} characters]"


def _is_snapshot(text: str) -> bool:
    """Return whether a text is an accessibility snapshot of a web page by a browser tool."""
    elements = _ELEMENT.finditer(text)
    return sum(1 for _, _ in zip(range(_ELEMENTS), elements, strict=False)) == _ELEMENTS


def _shortened_result(result: ToolResult) -> ToolResult:
    parts = tuple(_shortened_part(part) for part in result.parts)
    if all(new is old for new, old in zip(parts, result.parts, strict=True)):
        return result
    return replace(result, parts=parts)


def _shortened_part(part: Text | Media) -> Text | Media:
    if not isinstance(part, Text):
        return part
    text = shortened_text(part.text)
    return part if text == part.text else replace(part, text=text)


def _stub(result: ToolResult) -> ToolResult:
    size = sum(len(part.text) for part in result.parts if isinstance(part, Text))
    media = [part.kind for part in result.parts if isinstance(part, Media)]
    if size <= STUB_WORTH and not media:
        return result
    what = [f"{size} characters"] if size else []
    what += [f"{media.count(kind)} {kind}" for kind in dict.fromkeys(media)]
    note = f"[This old result was left out to save room: {', '.join(what)}.]"
    return replace(result, parts=(Text(note),))


def _with_results(message: Message, change: Callable[[ToolResult], ToolResult]) -> Message:
    if not any(isinstance(part, ToolResult) for part in message.parts):
        return message
    parts: tuple[Part, ...] = tuple(
        change(part) if isinstance(part, ToolResult) else part for part in message.parts
    )
    if all(new is old for new, old in zip(parts, message.parts, strict=True)):
        return message
    return replace(message, parts=parts)
