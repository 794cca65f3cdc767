"""Parse the directives in a prompt; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

#: Response formats that override the request's.
FORMS: Final = ("whole", "stream", "page", "gzip")
_NAME: Final = re.compile(r"\[\[([a-z]+)(?=[\s\]])")
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?")
_SECONDS: Final = {None: 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_JSON: Final = json.JSONDecoder()


@dataclass(frozen=True)
class ToolDirective:
    """One ``[[tool NAME {JSON}]]``."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class ErrorDirective:
    """One ``[[error …]]``; ``source`` is its text, by which failures are counted."""

    status: int
    body: Any = None
    retry: float | None = None
    times: int | None = None
    after: int | None = None
    reason: str = ""
    message: str = ""
    source: str = ""


@dataclass(frozen=True)
class Directives:
    """What a prompt asks the simulated model to do; ``rest`` is the text around it."""

    rest: str = ""
    found: bool = False
    say: tuple[str, ...] = ()
    think: tuple[str, ...] = ()
    tools: tuple[ToolDirective, ...] = ()
    json: str | None = None
    chunks: int | None = None
    delay: float = 0.0
    ttft: float = 0.0
    tokens: int | None = None
    image: bool = False
    cite: bool = False
    finish: str | None = None
    errors: tuple[ErrorDirective, ...] = ()
    cut: int | None = None
    stall: int | None = None
    garbage: int | None = None
    empty: str | None = None
    breaks: int | None = None  # how often cut, stall, garbage or empty applies
    form: str | None = None  # one of FORMS
    show: str | None = None  # "system", "tools" or "request"


def parse_duration(text: str) -> float:
    """Return the seconds of ``2``, ``2s``, ``500ms`` or ``1h2m``.

    :raises ValueError: if the text is not a duration.
    """
    position, total = 0, 0.0
    while position < len(text):
        match = _DURATION.match(text, position)
        if match is None:
            raise ValueError(f"not a duration: {text!r}")
        total += float(match[1]) * _SECONDS[match[2]]
        position = match.end()
    if not text:
        raise ValueError("not a duration: ''")
    return total


def parse(text: str) -> Directives:
    """Return the directives of one step, which contains no ``[[then]]``."""
    result, rest, position = Directives(), [], 0
    for start, stop, name, argument in _find(text):
        try:
            result = _apply(result, name, argument)
        except (ValueError, KeyError):
            continue
        rest.append(text[position:start])
        position = stop
        result = replace(result, found=True)
    rest.append(text[position:])
    return replace(result, rest=" ".join(piece.strip() for piece in rest if piece.strip()))


def parse_step(text: str, rounds: int) -> Directives | None:
    """Return the directives for the turn after ``rounds`` rounds of tool results.

    ``None`` if the prompt has no directives for that turn.
    """
    pieces, position = [], 0
    for start, stop, name, _ in _find(text):
        if name == "then":
            pieces.append(text[position:start])
            position = stop
    pieces.append(text[position:])
    return parse(pieces[rounds]) if rounds < len(pieces) else None


def has_directives(text: str) -> bool:
    """Return whether there is any directive in ``text``."""
    return any(name == "then" for _, _, name, _ in _find(text)) or parse(text).found


def _find(text: str) -> Iterator[tuple[int, int, str, str]]:
    """Yield start, stop, name and argument of each possible directive."""
    position = 0
    while (match := _NAME.search(text, position)) is not None:
        stop = _end(text, match.end(), match[1])
        if stop is None:
            position = match.end()
            continue
        yield match.start(), stop, match[1], text[match.end() : stop - 2]
        position = stop


def _end(text: str, position: int, name: str) -> int | None:
    """Return where the directive that opened before ``position`` is closed."""
    if name in ("tool", "json", "error"):
        for opening in re.finditer(r"[\[{]|\]\]", text[position:]):
            if opening[0] == "]]":
                return position + opening.end()
            try:
                _, stop = _JSON.raw_decode(text, position + opening.start())
            except ValueError:
                continue
            closing = re.compile(r"\s*\]\]").match(text, stop)
            return closing.end() if closing else None
        return None
    depth = 1
    for bracket in re.finditer(r"\[\[|\]\]", text[position:]):
        depth += 1 if bracket[0] == "[[" else -1
        if depth == 0:
            return position + bracket.end()
    return None


@dataclass
class _Words:
    """The first words of an ``[[error …]]`` and the rest of it."""

    options: dict[str, str] = field(default_factory=dict)
    rest: str = ""


def _error(argument: str) -> ErrorDirective:
    status, _, rest = argument.strip().partition(" ")
    name_set, rest = _Words(), rest.strip()
    while match := re.match(r"(retry|times|after|reason)=(\S+)\s*", rest):
        name_set.options[match[1]] = match[2]
        rest = rest[match.end() :]
    message, body = "", None
    if rest.startswith("message="):
        message = rest.removeprefix("message=")
    elif rest:
        body = json.loads(rest)
    options = name_set.options
    code = int(status)
    if not 200 <= code <= 599:
        raise ValueError("no such status")
    return ErrorDirective(
        status=code,
        body=body,
        retry=parse_duration(options["retry"]) if "retry" in options else None,
        times=int(options["times"]) if "times" in options else None,
        after=int(options["after"]) if "after" in options else None,
        reason=options.get("reason", ""),
        message=message,
        source=argument.strip(),
    )


def _tool(argument: str) -> ToolDirective:
    name, _, rest = argument.strip().partition(" ")
    arguments = json.loads(rest) if rest.strip() else {}
    if not name or not isinstance(arguments, dict):
        raise ValueError("a tool needs a name and an object")
    return ToolDirective(name, arguments)


def _repeated(argument: str) -> tuple[str, int | None]:
    """Return an argument without its ``times=N``, and that number."""
    rest, found, times = argument.strip().rpartition("times=")
    return (rest.strip(), _count(times)) if found else (argument.strip(), None)


def _count(argument: str) -> int:
    count = int(argument.strip() or "0")
    if count < 0:
        raise ValueError("negative")
    return count


def _apply(known: Directives, name: str, argument: str) -> Directives:
    """Return ``known`` with another directive added.

    :raises ValueError: if the argument is wrong.
    :raises KeyError: if there is no such directive.
    """
    text = argument[1:] if argument[:1].isspace() else argument
    word = text.strip()
    match name:
        case "say":
            return replace(known, say=(*known.say, text))
        case "think":
            return replace(known, think=(*known.think, text))
        case "tool":
            return replace(known, tools=(*known.tools, _tool(text)))
        case "error":
            return replace(known, errors=(*known.errors, _error(text)))
        case "json":
            json.loads(word)
            return replace(known, json=word)
        case "delay":
            return replace(known, delay=parse_duration(word))
        case "ttft":
            return replace(known, ttft=parse_duration(word))
        case "chunks":
            return replace(known, chunks=max(1, _count(text)))
        case "tokens":
            return replace(known, tokens=_count(text))
        case "cut" | "stall" | "garbage":
            after, times = _repeated(text)
            fields: dict[str, Any] = {name: _count(after), "breaks": times}
            return replace(known, **fields)
        case "form" if word in FORMS:
            return replace(known, form=word)
        case "finish" if word:
            return replace(known, finish=word)
        case "empty" if word == "reply":
            return replace(known, empty=word)
        case "empty":
            rest, times = _repeated(text)
            if not rest:
                return replace(known, empty="", breaks=times)
        case "image" if not word:
            return replace(known, image=True)
        case "cite" if not word:
            return replace(known, cite=True)
        case "system" | "tools" | "request" if not word:
            return replace(known, show=name)
    raise KeyError(name)
