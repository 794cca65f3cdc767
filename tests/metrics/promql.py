"""Names of metrics and labels in expressions for Prometheus."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'')
_RANGE = re.compile(r"\[[^\]]*\]")
_TOKEN = re.compile(r"[a-zA-Z_:][\w:]*|[{}(),]|=~|!~|!=|=|\S")
_NAME = re.compile(r"[a-zA-Z_:][\w:]*")
_GROUPING = {"by", "without", "on", "ignoring", "group_left", "group_right"}
_WORDS = {"and", "or", "unless", "bool", "offset"}


class Selector(NamedTuple):
    """A metric with the labels by which its samples are selected."""

    metric: str
    labels: frozenset[str]


class Expression(NamedTuple):
    """The metrics of an expression, and the labels by which it groups their samples."""

    selectors: list[Selector]
    grouping: set[str]


def parse(text: str) -> Expression:
    """Return the names in an expression."""
    tokens = _TOKEN.findall(_RANGE.sub(" ", _STRING.sub(" 0 ", text)))
    selectors, grouping, place = [], set(), 0
    while place < len(tokens):
        token = tokens[place]
        following = tokens[place + 1] if place + 1 < len(tokens) else ""
        place += 1
        if not _NAME.fullmatch(token):
            continue
        if token in _GROUPING:
            grouping |= set(_names(tokens, place, ")"))
            place = _end(tokens, place, ")")
        elif following == "{":
            selectors.append(Selector(token, frozenset(_names(tokens, place, "}"))))
            place = _end(tokens, place, "}")
        elif following != "(" and following not in _GROUPING and token not in _WORDS:
            selectors.append(Selector(token, frozenset()))
    return Expression(selectors, grouping)


def _names(tokens: list[str], start: int, end: str) -> Iterator[str]:
    """Yield the names between a bracket at ``start`` and the next ``end``."""
    for token in tokens[start : _end(tokens, start, end)]:
        if _NAME.fullmatch(token):
            yield token


def _end(tokens: list[str], start: int, end: str) -> int:
    return tokens.index(end, start)
