"""Refuse, and lists of words; pure."""

from __future__ import annotations

from typing import NoReturn

from antigravity.simulator.errors import ApiError


def words(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


def refuse(message: str, param: str | None = None, code: str | None = None) -> NoReturn:
    """Refuse a request that is wrong.

    :raises ApiError: always.
    """
    raise ApiError(400, message, param=param, code=code)
