"""Mask secrets in what is shown of configuration files: the gateway's, and those of others."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final

from antigravity.redaction.credentials import REDACTED, SECRET_NAME
from antigravity.redaction.shapes import redact_shapes, secret_arguments

#: What stands for the gateway's own key.
OWN_KEY: Final = "(the gateway's key)"
#: Shorter values are masked beside their names only, because they occur elsewhere, too.
_LONG: Final = 8
_WORD: Final = r"(?:key|token|secret|passw|auth|credential|cookie)"
#: A setting in any of the languages whose name says that it is a secret, or an option of a program.
_NAMED: Final = re.compile(
    rf"""((?<![\w.-])(?:--?)?["']?[\w.-]{{0,64}}{_WORD}[\w.-]{{0,64}}["']?
      (?:\s{{0,8}}[:=]\s{{0,8}}|["']?,?\s{{1,8}}(?=["'])))
    ("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s"'{{}}\[\],\#|>][^\s,}}\]]*)""",
    re.IGNORECASE | re.ASCII | re.VERBOSE,
)
_PLAIN: Final = re.compile(r"-?\d+(?:\.\d+)?|true|false|null|none|yes|no", re.IGNORECASE)
#: Letters and digits as nobody writes them.
_RANDOM: Final = re.compile(r"(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{16,}", re.ASCII)


def mask_text(text: str) -> str:
    """Return a message without what looks like a credential."""
    return _RANDOM.sub(REDACTED, redact_shapes(text))


def mask_diff(
    diff: str, key: str, ours: Collection[str], documents: Iterable[Any], shown_key: str = OWN_KEY
) -> str:
    """Return a diff without secrets.

    :param key: the gateway's, which ``shown_key`` stands for.
    :param ours: texts that are no secrets, although they may look like it.
    :param documents: the settings in the files, before and after.
    """
    for form in sorted(_forms(key), key=len, reverse=True):
        diff = diff.replace(form, shown_key)
    values = {each for document in documents for each in secret_values(document)}
    forms = {form for each in values if each not in ours and each != key for form in _forms(each)}
    for form in sorted(forms, key=len, reverse=True):
        if len(form) >= _LONG:
            diff = diff.replace(form, REDACTED)
    return "".join(_mask_line(line, ours, shown_key) for line in diff.splitlines(keepends=True))


def secret_values(data: Any, is_named: bool = False) -> Iterator[str]:
    """Yield the texts in a document that are secrets by the names on the way to them.

    :param is_named: whether the name of ``data`` says that it is one.
    """
    if isinstance(data, dict):
        for name, value in data.items():
            yield from secret_values(value, is_named or bool(SECRET_NAME.search(str(name))))
    elif isinstance(data, list):
        texts = [each if isinstance(each, str) else "" for each in data]
        for value, is_secret in zip(data, secret_arguments(texts), strict=True):
            yield from secret_values(value, is_named or is_secret)
    elif isinstance(data, str) and is_named:
        yield data


def _forms(value: str) -> set[str]:
    """Return how a text is written in files, and the lines of a long one."""
    lines = value.splitlines() if "\n" in value else []
    escaped = {each.replace("\\", "\\\\").replace('"', '\\"') for each in (value, *lines)}
    return {each.strip() for each in (value, *lines, *escaped)} - {""}


def _mask_line(line: str, ours: Collection[str], shown_key: str) -> str:
    if line.startswith(("--- ", "+++ ", "@@")):
        return line

    def mask_named(found: re.Match[str]) -> str:
        value = found[2]
        quote = value[0] if value[0] in "\"'" else ""
        plain = value[1:-1] if quote else value
        is_own = found.string.startswith(shown_key, found.start(2) + len(quote))
        if is_own or not plain or plain in ours or _PLAIN.fullmatch(plain):
            return found[0]
        return f"{found[1]}{quote}{REDACTED}{quote}"

    def mask_random(found: re.Match[str]) -> str:
        return found[0] if any(found[0] in each for each in ours) else REDACTED

    masked = _NAMED.sub(mask_named, line[1:])
    pieces = (_RANDOM.sub(mask_random, redact_shapes(each)) for each in masked.split(shown_key))
    return line[0] + shown_key.join(pieces)
