"""Problems of a configuration, with what their owner needs to fix them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct


class Problem(Struct, frozen=True):
    """One thing that is wrong; it never holds a secret's value.

    ``key`` is dotted.  ``place`` is where the value was given (a file, an environment
    variable, the command line).  ``allowed`` says what would be right.
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
    """The configuration cannot be used; ``problems`` says all that is wrong with it."""

    def __init__(self, problems: Iterable[Problem] | str, *, key: str = "") -> None:
        self.problems = (
            (Problem(problems, key=key),) if isinstance(problems, str) else tuple(problems)
        )
        super().__init__("\n".join(map(str, self.problems)))
