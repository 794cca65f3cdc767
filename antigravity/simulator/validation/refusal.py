"""Helpers of the checks; pure."""

from __future__ import annotations

from typing import NoReturn

from antigravity.simulator.errors import ApiError


def name_set(text: str) -> frozenset[str]:
    """Return the names in a text."""
    return frozenset(text.split())


def refuse(message: str, param: str | None = None, code: str | None = None) -> NoReturn:
    """Refuse an invalid request.

    :raises ApiError: always.
    """
    raise ApiError(400, message, param=param, code=code)
