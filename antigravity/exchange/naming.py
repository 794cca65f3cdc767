"""What a client may call a model."""

from __future__ import annotations

from typing import Final

from antigravity.ir.errors import InvalidRequestError

#: Names are written to the log, and kept in memory here and there.
LONGEST: Final = 512


def checked(model: str) -> str:
    """Return the name of a model.

    :raises InvalidRequestError: if it is none that can be shown.
    """
    if len(model) > LONGEST or not model.isprintable():
        raise InvalidRequestError(
            f"The name of the model must be printable, and up to {LONGEST} characters long.",
            param="model",
        )
    return model
