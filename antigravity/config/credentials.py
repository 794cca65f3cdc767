"""Find the credentials in a configuration, for redaction."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec import Struct, structs

from antigravity.config.secret import Secret
from antigravity.redaction.credentials import SECRET_NAME

#: Tables of strings in which only the name indicates that a value is a credential.
_FOREIGN: Final = frozenset({"headers", "options", "plugins", "env", "extra"})


def find_credentials(value: object, name: str = "", *, foreign: bool = False) -> Iterator[str]:
    """Yield all credentials in ``value``, the setting ``name``.

    These are secrets, strings in foreign tables whose names indicate a credential, and in addresses
    user, password and parameters with such names.  Of a program's environment only variables with
    such names count.
    """
    match value:
        case Secret():
            yield from _parts(value.reveal())
            if "://" in value.reveal():
                yield from _of_address(value.reveal())
        case Struct():
            for key, item in structs.asdict(value).items():
                yield from find_credentials(item, key)
        case Mapping():
            foreign = foreign or name in _FOREIGN
            for key, item in value.items():
                if name != "env" or SECRET_NAME.search(str(key)):
                    yield from find_credentials(item, str(key), foreign=foreign)
        case list() | tuple():
            if name == "args":
                yield from _of_arguments([item for item in value if isinstance(item, str)])
            for item in value:
                yield from find_credentials(item, name, foreign=foreign)
        case str() if "://" in value:
            yield from _of_address(value)
        case str() if foreign and SECRET_NAME.search(name):
            yield from _parts(value)


def _parts(text: str) -> Iterator[str]:
    """Yield a credential, and without its scheme (``Bearer``), if it has one."""
    yield text
    scheme, _, rest = text.strip().partition(" ")
    if scheme.isalpha() and rest:
        yield rest.strip()


def _of_arguments(arguments: Sequence[str]) -> Iterator[str]:
    """Yield credentials in program arguments: ``--key VALUE``, ``--key=VALUE``, ``Name: VALUE``."""
    for before, text in zip(("", *arguments), arguments, strict=False):
        for separator in ("=", ": "):
            name, _, value = text.partition(separator)
            if value and SECRET_NAME.search(name):
                yield from _parts(value)
        if before.startswith("-") and SECRET_NAME.search(before) and not text.startswith("-"):
            yield from _parts(text)


def _of_address(text: str) -> Iterator[str]:
    try:
        parts = urlsplit(text)
    except ValueError:
        return
    for key, value in parse_qsl(parts.query):
        if SECRET_NAME.search(key):
            yield value
    if parts.password:
        user, password = unquote(parts.username or ""), unquote(parts.password)
        yield from (password, parts.password, f"{parts.username}:{parts.password}")
        yield b64encode(f"{user}:{password}".encode()).decode("ascii")
