"""Checks of what is passed to a backend, the same for all of them.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

from antigravity.interfaces.state import (
    KEY_LIMIT,
    LONGEST_TTL,
    MANY_KEYS,
    SHORTEST_PERIOD,
    VALUE_LIMIT,
    Claim,
    Settlement,
    SlotClaim,
    WindowChange,
    WindowClaim,
)

#: No count is larger: scripts of Redis have floating-point numbers.
_LARGEST = 2**53


def check_key(key: str) -> None:
    """Check a key or the name of a channel.

    :raises ValueError: if it is empty or too long.
    """
    if not 0 < len(key) <= KEY_LIMIT:
        raise ValueError(f"a key has 1 to {KEY_LIMIT} characters, not {len(key)}")


def check_keys(keys: Sequence[str]) -> None:
    """Check several keys.

    :raises ValueError: if one is invalid, or there are too many.
    """
    if len(keys) > MANY_KEYS:
        raise ValueError(f"at most {MANY_KEYS} values can be read at once, not {len(keys)}")
    for key in keys:
        check_key(key)


def check_value(value: bytes) -> None:
    """Check a value or a message.

    :raises ValueError: if it is too long.
    """
    if len(value) > VALUE_LIMIT:
        raise ValueError(f"a value has at most {VALUE_LIMIT} bytes, not {len(value)}")


def check_ttl(ttl: float) -> None:
    """Check a time to live.

    :raises ValueError: if it is not positive, or too long.
    """
    if not 0 < ttl <= LONGEST_TTL:
        raise ValueError(f"a time to live is more than 0 and at most a year, not {ttl}")


def check_claims(claims: Sequence[Claim]) -> None:
    """Check claims.

    :raises ValueError: if one is invalid, or two have the same key.
    """
    for claim in claims:
        check_key(claim.key)
        if not 0 <= claim.limit < _LARGEST:
            raise ValueError(f"a limit is not negative, and not {claim.limit}")
        if isinstance(claim, SlotClaim):
            check_key(claim.holder)
            check_ttl(claim.ttl)
        elif isinstance(claim, WindowClaim):
            _check_period(claim.period)
            if not 0 <= claim.amount < _LARGEST:
                raise ValueError(f"an amount is not negative, and not {claim.amount}")
    if len({(type(claim), claim.key) for claim in claims}) < len(claims):
        raise ValueError("two claims have the same key")


def check_slots(slots: Sequence[SlotClaim]) -> None:
    """Check slots that are renewed.

    :raises ValueError: if one is invalid, or there are too many.
    """
    if len(slots) > MANY_KEYS:
        raise ValueError(f"at most {MANY_KEYS} slots can be renewed at once, not {len(slots)}")
    for each in slots:
        check_key(each.key)
        check_key(each.holder)
        check_ttl(each.ttl)


def check_settlements(settlements: Sequence[Settlement]) -> None:
    """Check settlements.

    :raises ValueError: if one is invalid.
    """
    for each in settlements:
        check_key(each.key)
        if isinstance(each, WindowChange):
            _check_period(each.period)
            if abs(each.amount) >= _LARGEST:
                raise ValueError(f"an amount is too large: {each.amount}")


def _check_period(period: float) -> None:
    if not SHORTEST_PERIOD <= period <= LONGEST_TTL:
        raise ValueError(f"a period is {SHORTEST_PERIOD} seconds to a year, not {period}")
