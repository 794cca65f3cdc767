"""Match URIs against a URI template (RFC 6570, simple and reserved expansion).

Templates come from other servers and URIs from clients, so matching takes time proportional to
their lengths.  Regular expressions could take exponential time.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from msgspec import Struct

_EXPRESSION: Final = re.compile(r"\{(\+?)([A-Za-z_][A-Za-z0-9_]*)\}")
#: The maximum number of variables in one template.
MOST_NAMES: Final = 16
_YES: Final = b"\1"


class _Literal(Struct, frozen=True):
    """Literal text."""

    text: str

    def reach(self, uri: str, after: bytearray) -> bytearray:
        """Return where ``uri`` matches from, given the positions of the next part (``after``)."""
        found = bytearray(len(after))
        place = uri.find(self.text)
        while place >= 0:
            found[place] = after[place + len(self.text)]
            place = uri.find(self.text, place + 1)
        return found

    def end(self, uri: str, begin: int, after: bytearray) -> int:
        """Return the position after this part in a matching ``uri``."""
        return begin + len(self.text)


class _Name(Struct, frozen=True):
    """A variable: at least one character, without slashes unless it is ``reserved``."""

    name: str
    reserved: bool

    def reach(self, uri: str, after: bytearray) -> bytearray:
        """Return where ``uri`` matches from, given the positions of the next part (``after``)."""
        if self.reserved:
            last = max(0, after.rfind(_YES))
            return bytearray(_YES * last + b"\0" * (len(after) - last))
        found = bytearray(len(after))
        for place in range(len(uri) - 1, -1, -1):
            found[place] = uri[place] != "/" and (after[place + 1] or found[place + 1])
        return found

    def end(self, uri: str, begin: int, after: bytearray) -> int:
        """Return the last possible position after this part in a matching ``uri``."""
        slash = -1 if self.reserved else uri.find("/", begin)
        last = len(uri) if slash < 0 else slash
        return after.rfind(_YES, begin + 1, last + 1)


def match(template: str, uri: str) -> dict[str, str] | None:
    """Return the values of the variables in ``uri``, ``None`` if it does not match."""
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

    :raises ValueError: if it uses unsupported syntax.
    """
    _pieces(template)
    return template


def _may_fit(pieces: tuple[_Literal | _Name, ...], uri: str) -> bool:
    """Return whether the literal beginning and end match, a quick check."""
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
        raise ValueError(f"the template {template!r} can only use {{name}} and {{+name}}")
    if len(set(names)) < len(names):
        raise ValueError(f"the template {template!r} uses a name twice")
    if len(names) > MOST_NAMES:
        raise ValueError(f"the template {template!r} has more than {MOST_NAMES} names")
    return tuple(pieces)
