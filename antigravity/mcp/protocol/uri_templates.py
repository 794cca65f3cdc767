"""Addresses that fit a URI template (RFC 6570, simple and reserved expansion).

Templates come from other servers and addresses from clients, so the time that it takes grows with
their lengths and not faster, which it would with regular expressions.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from msgspec import Struct

_EXPRESSION: Final = re.compile(r"\{(\+?)([A-Za-z_][A-Za-z0-9_]*)\}")
#: Names in one template.
MOST_NAMES: Final = 16
_YES: Final = b"\1"


class _Literal(Struct, frozen=True):
    """Text that stands there as it is."""

    text: str

    def reach(self, uri: str, after: bytearray) -> bytearray:
        """Return from where on ``uri`` fits, if what follows fits where ``after`` says so."""
        found = bytearray(len(after))
        place = uri.find(self.text)
        while place >= 0:
            found[place] = after[place + len(self.text)]
            place = uri.find(self.text, place + 1)
        return found

    def end(self, uri: str, begin: int, after: bytearray) -> int:
        """Return where it ends in an ``uri`` that fits, and what follows begins."""
        return begin + len(self.text)


class _Name(Struct, frozen=True):
    """What has a name: at least one character, and no slash if it is not ``reserved``."""

    name: str
    reserved: bool

    def reach(self, uri: str, after: bytearray) -> bytearray:
        """Return from where on ``uri`` fits, if what follows fits where ``after`` says so."""
        if self.reserved:
            last = max(0, after.rfind(_YES))
            return bytearray(_YES * last + b"\0" * (len(after) - last))
        found = bytearray(len(after))
        for place in range(len(uri) - 1, -1, -1):
            found[place] = uri[place] != "/" and (after[place + 1] or found[place + 1])
        return found

    def end(self, uri: str, begin: int, after: bytearray) -> int:
        """Return where it ends in an ``uri`` that fits: as late as can be."""
        slash = -1 if self.reserved else uri.find("/", begin)
        last = len(uri) if slash < 0 else slash
        return after.rfind(_YES, begin + 1, last + 1)


def match(template: str, uri: str) -> dict[str, str] | None:
    """Return the values of the template's names in ``uri``, ``None`` if it does not fit."""
    pieces = _pieces(template)
    if not _may_fit(pieces, uri):
        return None
    fits = [bytearray(len(uri)) + _YES]
    for piece in reversed(pieces):
        fits.append(piece.reach(uri, fits[-1]))
    if not fits[-1][0]:
        return None
    values: dict[str, str] = {}
    begin = 0
    for piece, after in zip(pieces, fits[-2::-1], strict=True):
        end = piece.end(uri, begin, after)
        if isinstance(piece, _Name):
            values[piece.name] = unquote(uri[begin:end])
        begin = end
    return values


def check_template(template: str) -> str:
    """Return ``template``.

    :raises ValueError: if it holds what is not understood here.
    """
    _pieces(template)
    return template


def _may_fit(pieces: tuple[_Literal | _Name, ...], uri: str) -> bool:
    """Return whether the beginning and the end are the right ones, which is soon seen."""
    first, last = (pieces[0], pieces[-1]) if pieces else (_Literal(""), _Literal(""))
    begins = not isinstance(first, _Literal) or uri.startswith(first.text)
    return begins and (not isinstance(last, _Literal) or uri.endswith(last.text))


@lru_cache(1024)
def _pieces(template: str) -> tuple[_Literal | _Name, ...]:
    pieces: list[_Literal | _Name] = []
    names: list[str] = []
    end = 0
    for expression in _EXPRESSION.finditer(template):
        if expression.start() > end:
            pieces.append(_Literal(template[end : expression.start()]))
        pieces.append(_Name(expression[2], bool(expression[1])))
        names.append(expression[2])
        end = expression.end()
    if end < len(template):
        pieces.append(_Literal(template[end:]))
    if "{" in _EXPRESSION.sub("", template):
        raise ValueError(f"the template {template!r} holds more than {{name}} and {{+name}}")
    if len(set(names)) < len(names):
        raise ValueError(f"the template {template!r} names something twice")
    if len(names) > MOST_NAMES:
        raise ValueError(f"the template {template!r} has more than {MOST_NAMES} names")
    return tuple(pieces)
