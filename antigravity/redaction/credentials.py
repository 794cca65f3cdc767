"""The credentials in use, and their removal from texts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, Final, Literal

import msgspec

from antigravity.redaction.forms import SHORTEST, forms_of
from antigravity.redaction.spans import Span, replace_spans

#: The replacement for a credential.
REDACTED: Final = "[redacted]"

#: The number of recently sent values; the oldest are removed first.
_MAX_SENT: Final = 4096
#: A JSON string with an escape sequence.
_STRING: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)++"', re.DOTALL)
#: The depth to which JSON inside of JSON strings is searched.
_DEPTH: Final = 3

#: No credential has more characters.
LONGEST: Final = 16 * 1024
#: What JSON escapes once more, within JSON.
_ESCAPED: Final = re.compile(r'[\\"]')

#: Names of settings, headers and parameters whose values are credentials.
SECRET_NAME: Final = re.compile(r"key|token|secret|passw|auth|credential|cookie", re.IGNORECASE)

_Codec = Literal["utf-8", "latin-1"]


class Credentials:
    """All credentials in use, and their removal from texts.

    The time of a search hardly depends on the number of credentials.
    """

    def __init__(self) -> None:
        self._held: dict[int, frozenset[str]] = {}
        self._sent: dict[str, frozenset[str]] = {}
        self._table: _Table | None = None
        self._snapshot: Redactor | None = None

    def hold(self, owner: object, values: Iterable[str]) -> None:
        """Set the credentials of ``owner``, which must :meth:`release` them when it ends."""
        self._held[id(owner)] = frozenset().union(*map(forms_of, values))
        self._table = self._snapshot = None

    def release(self, owner: object) -> None:
        """Remove the credentials of ``owner``."""
        self._held.pop(id(owner), None)
        self._table = self._snapshot = None

    def sent(self, value: str) -> None:
        """Record the value of an authorization header, such as ``Bearer …``."""
        if value in self._sent:
            return
        if len(self._sent) >= _MAX_SENT:
            for oldest in list(self._sent)[: _MAX_SENT // 8]:
                del self._sent[oldest]
            self._table = None
        scheme, _, rest = value.partition(" ")
        forms = forms_of(rest.strip() if rest and scheme.isalpha() else value)
        self._sent[value] = forms
        self._snapshot = None
        if self._table is not None:
            self._table.add(forms)

    def redact(self, text: str) -> str:
        """Return ``text`` without credentials; the same object if there is none in it."""
        return self._redact(text, "utf-8", _DEPTH)

    def redact_bytes(self, data: bytes) -> bytes:
        """Return ``data`` without credentials; the same object if there is none in it."""
        text = data.decode("latin-1")
        redacted = self._redact(text, "latin-1", _DEPTH)
        return data if redacted is text else redacted.encode("latin-1")

    def redact_json(self, value: Any) -> Any:
        """Return a value of JSON without credentials; the same object if there is none in it."""
        if value is None or isinstance(value, bool | int | float):
            return value
        data = msgspec.json.encode(value)
        redacted = self.redact_bytes(data)
        return value if redacted is data else msgspec.json.decode(redacted)

    def snapshot(self) -> Redactor:
        """Return what removes the credentials of now, in one thread at a time."""
        if self._snapshot is None:
            forms = frozenset().union(*self._held.values(), *self._sent.values())
            self._snapshot = Redactor(forms)
        return self._snapshot

    def _redact(self, text: str, codec: _Codec, depth: int) -> str:
        """Remove all forms, then those that JSON escape sequences hide."""
        if self._table is None:
            self._table = _Table()
            for forms in (*self._held.values(), *self._sent.values()):
                self._table.add(forms)
        redacted = self._table.redact(text)
        if "\\" not in redacted or not depth:
            return redacted
        inside = _STRING.sub(lambda found: self._literal(found[0], codec, depth - 1), redacted)
        return redacted if inside == redacted else inside

    def _literal(self, literal: str, codec: _Codec, depth: int) -> str:
        try:
            text = msgspec.json.decode(literal.encode(codec), type=str)
        except (ValueError, RecursionError):
            return literal
        redacted = self._redact(text, "utf-8", depth)
        if redacted is text:
            return literal
        return msgspec.json.encode(redacted).decode(codec)


class Redactor:
    """Removes the credentials of one moment; a thread can use it."""

    def __init__(self, forms: frozenset[str]) -> None:
        self._forms: frozenset[str] | None = forms
        self._table = _Table()

    def redact(self, text: str) -> str:
        """Return a piece of a body without credentials, also within JSON inside of JSON strings.

        :param text: bytes decoded as Latin-1; a credential at its end may be incomplete.
        """
        return replace_spans(text, self.find(text), REDACTED)

    def find(self, text: str) -> Iterator[Span]:
        """Yield where credentials are, in order; see :meth:`redact`."""
        if self._forms is not None:
            escaped = (json.dumps(form)[1:-1] for form in self._forms if _ESCAPED.search(form))
            self._table.add(self._forms.union(escaped))
            self._forms = None
        return self._table.find(text)


class _Table:
    """Forms of credentials by their first characters, the longest first.

    A regular expression finds possible beginnings, by the characters that occur at each position;
    a look-up in the table then decides.
    """

    def __init__(self) -> None:
        self._forms: dict[str, list[str]] = {}
        self._characters: list[set[str]] = [set() for _ in range(SHORTEST)]
        self._beginning: re.Pattern[str] | None = None

    def add(self, forms: Iterable[str]) -> None:
        """Add forms."""
        for form in forms:
            # Bytes are searched as Latin-1, in which a non-ASCII letter is several characters.
            for each in {form, form.encode("utf-8", "surrogatepass").decode("latin-1")}:
                known = self._forms.setdefault(each[:SHORTEST], [])
                if each not in known:
                    known.append(each)
                    known.sort(key=len, reverse=True)
                    self._add_characters(each)

    def _add_characters(self, form: str) -> None:
        for characters, character in zip(self._characters, form, strict=False):
            if character not in characters:
                characters.add(character)
                self._beginning = None

    def redact(self, text: str) -> str:
        """Return ``text`` without any of the forms; the same object if there is none."""
        return replace_spans(text, self.find(text), REDACTED)

    def find(self, text: str) -> Iterator[Span]:
        """Yield where forms are, in order."""
        if not self._forms:
            return
        if self._beginning is None:
            classes = ("".join(map(re.escape, sorted(each))) for each in self._characters)
            self._beginning = re.compile("".join(f"[{each}]" for each in classes))
        place = 0
        while (found := self._beginning.search(text, place)) is not None:
            place = found.start()
            for form in self._forms.get(found[0], ()):
                if text.startswith(form, place):
                    yield place, place + len(form)
                    place += len(form)
                    break
            else:
                place += 1


@lru_cache(maxsize=1024)
def authorizes(name: str) -> bool:
    """Return whether the name of a header shows that its value is a credential."""
    return SECRET_NAME.search(name) is not None


#: The credentials of this process; every error must be free of them.
CREDENTIALS: Final = Credentials()
