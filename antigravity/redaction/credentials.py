"""The credentials that are in use, and texts without them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final, Literal

import msgspec

from antigravity.redaction.forms import SHORTEST, forms_of

#: The replacement for a credential.
REDACTED: Final = "[redacted]"

#: So many values that were sent are known at a time; the oldest are forgotten first.
_MOST_SENT: Final = 4096
#: A string of JSON that holds an escape.
_STRING: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)++"', re.DOTALL)
#: JSON in strings of JSON is looked into so far.
_DEPTH: Final = 3

#: Names of settings, headers and parameters whose values are credentials.
TELLTALE: Final = re.compile(r"key|token|secret|passw|auth|credential|cookie", re.IGNORECASE)

_Codec = Literal["utf-8", "latin-1"]


class Credentials:
    """All credentials in use, of whatever owner, and what takes them out of texts.

    A search takes about as long for a thousand credentials as for one.
    """

    def __init__(self) -> None:
        self._held: dict[int, frozenset[str]] = {}
        self._sent: dict[str, frozenset[str]] = {}
        self._table: _Table | None = None

    def hold(self, owner: object, values: Iterable[str]) -> None:
        """Take ``values`` for the credentials of ``owner``, in place of those it held before.

        Whoever holds some must :meth:`release` them.
        """
        self._held[id(owner)] = frozenset().union(*map(forms_of, values))
        self._table = None

    def release(self, owner: object) -> None:
        """Forget the credentials of ``owner``."""
        self._held.pop(id(owner), None)
        self._table = None

    def sent(self, value: str) -> None:
        """Take note of a value that authorizes requests, such as ``Bearer …``."""
        if value in self._sent:
            return
        if len(self._sent) >= _MOST_SENT:
            for oldest in list(self._sent)[: _MOST_SENT // 8]:
                del self._sent[oldest]
            self._table = None
        scheme, _, rest = value.partition(" ")
        forms = forms_of(rest.strip() if rest and scheme.isalpha() else value)
        self._sent[value] = forms
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

    def _redact(self, text: str, codec: _Codec, depth: int) -> str:
        """Look for the forms, then behind the escapes of JSON, however they are written."""
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


class _Table:
    """Forms of credentials by their beginnings, the longest first.

    A regular expression finds the places where one may begin: it knows which characters stand at
    each place of a beginning, and the table then knows whether it is one.
    """

    def __init__(self) -> None:
        self._forms: dict[str, list[str]] = {}
        self._characters: list[set[str]] = [set() for _ in range(SHORTEST)]
        self._beginning: re.Pattern[str] | None = None

    def add(self, forms: Iterable[str]) -> None:
        """Enter some forms."""
        for form in forms:
            # Bytes are searched as Latin-1, where a letter that is not ASCII is several.
            for each in {form, form.encode("utf-8", "surrogatepass").decode("latin-1")}:
                known = self._forms.setdefault(each[:SHORTEST], [])
                if each not in known:
                    known.append(each)
                    known.sort(key=len, reverse=True)
                    self._note(each)

    def _note(self, form: str) -> None:
        for characters, character in zip(self._characters, form, strict=False):
            if character not in characters:
                characters.add(character)
                self._beginning = None

    def redact(self, text: str) -> str:
        """Return ``text`` without any of the forms; the same object if there is none."""
        if not self._forms:
            return text
        if self._beginning is None:
            classes = ("".join(map(re.escape, sorted(each))) for each in self._characters)
            self._beginning = re.compile("".join(f"[{each}]" for each in classes))
        out: list[str] = []
        done = place = 0
        while (found := self._beginning.search(text, place)) is not None:
            place = found.start()
            for form in self._forms.get(found[0], ()):
                if text.startswith(form, place):
                    out += (text[done:place], REDACTED)
                    done = place = place + len(form)
                    break
            else:
                place += 1
        return "".join((*out, text[done:])) if out else text


@lru_cache(maxsize=1024)
def authorizes(name: str) -> bool:
    """Return whether a header with this name holds a credential, as its name tells."""
    return TELLTALE.search(name) is not None


#: Those of this process.  Errors are made everywhere, and each must be free of them.
CREDENTIALS: Final = Credentials()
