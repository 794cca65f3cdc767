"""Clean the output lines of programs for the log."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_LONGEST: Final = 1000
_HIDDEN: Final = "[redacted]"
#: Shorter secrets would match ordinary words.
_SHORTEST: Final = 4
_ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x1f\x7f-\x9f]")
_TOKENS: Final = re.compile(r"eyJ[A-Za-z0-9+/_-]{20,}={0,2}")


class LogLineCleaner:
    """A cleaner that removes secrets and control characters from lines."""

    def __init__(self, secrets: Iterable[str]) -> None:
        found = {secret for secret in secrets if len(secret) >= _SHORTEST}
        self._secrets = sorted(found, key=len, reverse=True)

    def clean(self, line: str) -> str:
        """Return ``line`` without secrets and control characters, cut to a maximum length."""
        line = _ESCAPES.sub("", line)  # first: secrets can contain escape sequences
        for secret in self._secrets:
            line = line.replace(secret, _HIDDEN)
        line = _TOKENS.sub(_HIDDEN, line).strip()
        return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
