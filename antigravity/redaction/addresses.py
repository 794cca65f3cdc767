"""Masks e-mail addresses."""

from __future__ import annotations

import re
from typing import Final

#: No address has more characters before its sign.
_NAME_LIMIT: Final = 64
_NAME: Final = re.compile(r"[\w.+-]+\Z")
_DOMAIN: Final = re.compile(r"[\w-]{1,63}(?:\.[\w-]{1,63})+")
#: The characters of a name that stay.
_SHOWN: Final = 2


def mask_addresses(text: str) -> str:
    """Return text with ``na***@example.com`` in the place of every e-mail address."""
    place = text.find("@")
    if place < 0:
        return text
    out: list[str] = []
    done = 0
    while place >= 0:
        domain = _DOMAIN.match(text, place + 1)
        name = _NAME.search(text, max(done, place - _NAME_LIMIT), place) if domain else None
        if domain is not None and name is not None:
            out += (text[done : name.start()], name[0][:_SHOWN], "***", text[place : domain.end()])
            done = domain.end()
        place = text.find("@", max(done, place + 1))
    out.append(text[done:])
    return "".join(out)
