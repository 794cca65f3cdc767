"""Parts of a text that are replaced.  Pure."""

from __future__ import annotations

from collections.abc import Iterable

#: Where a part begins and ends.
Span = tuple[int, int]


def replace_spans(text: str, spans: Iterable[Span], mark: str) -> str:
    """Return text with a mark in the place of each part; the same object if there is none.

    :param spans: in order; they do not overlap.
    """
    out: list[str] = []
    done = 0
    for start, end in spans:
        out += (text[done:start], mark)
        done = end
    return "".join((*out, text[done:])) if out else text
