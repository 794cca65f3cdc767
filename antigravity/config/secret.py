"""Text that is hidden from logs and output."""

from __future__ import annotations

import hmac


class Secret:
    """Text that only :meth:`reveal` returns; its representation hides it."""

    __slots__ = ("_value",)

    def __init__(self, value: str = "") -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret text."""
        return self._value

    def masked(self) -> str:
        """Return the beginning and end of a long secret, so that its owner can recognise it.

        Of an address only the scheme is shown, because its end may be a password.
        """
        scheme, found, _ = self._value.partition("://")
        if found:
            return f"{scheme}://…"
        if len(self._value) < 16:
            return "…" if self._value else ""
        return f"{self._value[:3]}…{self._value[-4:]}"

    def matches(self, candidate: str) -> bool:
        """Return whether ``candidate`` is equal, in constant time; empty matches nothing."""
        return bool(self._value) & hmac.compare_digest(self._value.encode(), candidate.encode())

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(("Secret", self._value))

    def __repr__(self) -> str:
        return "Secret('…')" if self._value else "Secret('')"

    __str__ = __repr__
