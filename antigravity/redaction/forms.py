"""The encoded forms in which a credential can occur in an error."""

from __future__ import annotations

import html
import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote, quote_plus

#: Shorter values are not redacted: they can be placeholders such as ``none``, or common words.
SHORTEST: Final = 8

#: The characters that common URL encoders keep: two of ``urllib``, and two of JavaScript.
_SAFE: Final = ("", "/", "!'()*", ";,/?:@&=+$!'()*#")
#: The characters that no encoder changes, and that most keys consist of.
_PLAIN: Final = re.compile(r"[A-Za-z0-9._~-]+")
_PERCENT: Final = re.compile("%[0-9A-F]{2}")
#: Characters that some JSON encoders (Go, Gson and others) escape without need.
_OPTIONAL_ESCAPES: Final = tuple(
    {ord(each): f"\\u{ord(each):04x}" for each in characters}
    for characters in ("", "&<>", "&<>='", "&<>='+")
)
#: PHP escapes slashes.
_SLASH: Final[Mapping[int, str]] = {ord("/"): "\\/"}


def forms_of(credential: str) -> frozenset[str]:
    """Return ``credential`` as it is, and encoded for URLs, JSON, HTML and base64.

    No form is shorter than :data:`SHORTEST`; a shorter value has no forms.
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
        for escapes in _OPTIONAL_ESCAPES:
            form = escaped.translate(escapes)
            yield from (form, form.translate(_SLASH))


def _percent_encoded(text: str) -> Iterator[str]:
    data = text.encode("utf-8", "surrogatepass")
    for form in (*(quote(data, safe=safe) for safe in _SAFE), quote_plus(data)):
        yield form
        yield _PERCENT.sub(lambda found: found[0].lower(), form)


def _base64(text: str) -> Iterator[str]:
    """Yield the text in base64, alone and as user or password of HTTP basic authentication."""
    for value in (text, f"{text}:", f":{text}"):
        data = value.encode("utf-8", "surrogatepass")
        for encode in (b64encode, urlsafe_b64encode):
            yield encode(data).decode("ascii").rstrip("=")
