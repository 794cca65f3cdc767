"""The challenges of a server that requires a login, sans-IO (RFC 9110 11.6.1, 6750 3, 9728 5.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

#: Longer headers are not read.
_LONGEST: Final = 16 * 1024
_MOST_SCOPES: Final = 100
#: It never gives back what it matched, and a name that is neither is skipped as a whole: the time
#: is proportional to the length of the header.
_NAME: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
#: A parameter, a scheme, or what is skipped between them.
_PART: Final = re.compile(
    rf'(?P<name>{_NAME})[ \t]*=[ \t]*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>{_NAME}))'
    rf"(?=[ \t]*(?:,|$))"
    rf"|(?P<scheme>{_NAME})(?=[ \t,]|$)"
    rf"|{_NAME}"
    r"|[^,]"
    r"|,",
    re.DOTALL,
)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
#: The characters of a scope (RFC 6749, 3.3).
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,256}")


class Challenge(Struct, frozen=True):
    """A challenge of the scheme Bearer.

    ``scopes`` are those that the request needs, in the server's order.
    """

    resource_metadata: str = ""
    scopes: tuple[str, ...] = ()
    error: str = ""


def find_challenge(values: Iterable[str]) -> Challenge | None:
    """Return the first Bearer challenge in the values of ``WWW-Authenticate``, or ``None``."""
    for value in values:
        for scheme, parameters in _challenges(value[:_LONGEST]):
            if scheme == "bearer":
                return Challenge(
                    parameters.get("resource_metadata", ""),
                    parse_scopes(parameters.get("scope", "")),
                    parameters.get("error", ""),
                )
    return None


def parse_scopes(text: str) -> tuple[str, ...]:
    """Return the valid scopes in ``text``, each once."""
    return clean_scopes(text.split(" "))


def clean_scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    """Return the valid ones of ``scopes``, each once."""
    valid = dict.fromkeys(scope for scope in scopes if _SCOPE.fullmatch(scope))
    return tuple(valid)[:_MOST_SCOPES]


def _challenges(value: str) -> Sequence[tuple[str, Mapping[str, str]]]:
    """Return the schemes in a value, in lower case, with their parameters; the first of each."""
    found: list[tuple[str, dict[str, str]]] = []
    for part in _PART.finditer(value):
        if part["scheme"]:
            found.append((part["scheme"].lower(), {}))
        elif part["name"] and found:
            text = part["plain"] or _ESCAPED.sub(r"\1", part["quoted"] or "")
            found[-1][1].setdefault(part["name"].lower(), text)
    return found
