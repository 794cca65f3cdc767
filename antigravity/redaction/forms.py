"""The forms in which a credential can be repeated in an error."""

from __future__ import annotations

import html
import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote, quote_plus

#: A shorter value can be a placeholder such as ``none``, or stand in a text for something else.
SHORTEST: Final = 8

#: What the usual encoders of URLs leave as it is: ``urllib``'s two, and JavaScript's two.
_SAFE: Final = ("", "/", "!'()*", ";,/?:@&=+$!'()*#")
#: What no encoder changes; most keys consist of nothing else.
_PLAIN: Final = re.compile(r"[A-Za-z0-9._~-]+")
_PERCENT: Final = re.compile("%[0-9A-F]{2}")
#: What encoders of JSON escape although they need not: Go, Gson, and those that mean it well.
_NEEDLESS: Final = tuple(
    {ord(each): f"\\u{ord(each):04x}" for each in characters}
    for characters in ("", "&<>", "&<>='", "&<>='+")
)
#: PHP's habit.
_SLASH: Final[Mapping[int, str]] = {ord("/"): "\\/"}


def forms_of(credential: str) -> frozenset[str]:
    """Return ``credential`` as it is and as URLs, JSON, HTML and base64 write it.

    None is shorter than :data:`SHORTEST`; a value that is too short itself has no forms.
    """
    if len(credential) < SHORTEST:
        return frozenset()
    found = {credential, *_base64(credential)}
    if not _PLAIN.fullmatch(credential):
        found.add(html.escape(credential))
        found.update(_escaped(credential), _percent_encoded(credential))
    return frozenset(form for form in found if len(form) >= SHORTEST)


def _escaped(text: str) -> Iterator[str]:
    for ascii_only in (True, False):
        escaped = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        for needless in _NEEDLESS:
            form = escaped.translate(needless)
            yield from (form, form.translate(_SLASH))


def _percent_encoded(text: str) -> Iterator[str]:
    data = text.encode("utf-8", "surrogatepass")
    for form in (*(quote(data, safe=safe) for safe in _SAFE), quote_plus(data)):
        yield form
        yield _PERCENT.sub(lambda found: found[0].lower(), form)


def _base64(text: str) -> Iterator[str]:
    """Yield the text in base64, also as the user or the password of HTTP's basic scheme."""
    for value in (text, f"{text}:", f":{text}"):
        data = value.encode("utf-8", "surrogatepass")
        for encode in (b64encode, urlsafe_b64encode):
            yield encode(data).decode("ascii").rstrip("=")
