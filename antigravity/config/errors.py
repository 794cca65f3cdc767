"""Problems of a configuration, and how to fix them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct


class Problem(Struct, frozen=True):
    """One problem, without the value of a secret.

    ``key`` is dotted.  ``place`` is the source of the value: a file, an environment variable or the
    command line.  ``allowed`` lists valid values.
    """

    message: str
    key: str = ""
    place: str = ""
    line: int | None = None
    allowed: tuple[str, ...] = ()
    suggestion: str = ""
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        place = f"{self.place}:{self.line}" if self.line else self.place
        text = ": ".join(part for part in (place, self.key, self.message) if part)
        if self.allowed:
            text += f"; allowed: {', '.join(self.allowed)}"
        if self.suggestion:
            text += f"; did you mean {self.suggestion!r}?"
        return text


class ConfigurationError(Exception):
    """The configuration cannot be used; ``problems`` lists all errors and warnings."""

    def __init__(self, problems: Iterable[Problem] | str, *, key: str = "") -> None:
        self.problems = (
            (Problem(problems, key=key),) if isinstance(problems, str) else tuple(problems)
        )
        super().__init__("\n".join(map(str, self.problems)))
