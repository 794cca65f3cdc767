"""Headers that tell clients what is left of their limits.  Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from antigravity.keys.values import iso_time

Headers = tuple[tuple[str, str], ...]

#: How the names of such headers begin; those of an upstream are about an account, not the key.
PREFIXES: Final = ("anthropic-ratelimit-", "x-ratelimit-")
#: What the clients of OpenAI and Anthropic read before they send a request again.
_FINAL: Final = (("x-should-retry", "false"),)


class LimitState(Struct, frozen=True):
    """What is left of a limit per minute; all of it again in ``reset`` seconds."""

    unit: str
    limit: int
    remaining: int
    reset: float


def limit_headers(limits: Iterable[LimitState], protocol: str, now: float) -> Headers:
    """Return the headers for a client of a protocol: Anthropic's names, or OpenAI's for others.

    :param now: the seconds since the epoch.
    """
    found: list[tuple[str, str]] = []
    is_anthropic = protocol.startswith("anthropic")
    for each in limits:
        if is_anthropic:
            name = f"anthropic-ratelimit-{each.unit}"
            reset = iso_time(now + math.ceil(each.reset)).replace("+00:00", "Z")
            found += (
                (f"{name}-limit", str(each.limit)),
                (f"{name}-remaining", str(each.remaining)),
                (f"{name}-reset", reset),
            )
        else:
            found += (
                (f"x-ratelimit-limit-{each.unit}", str(each.limit)),
                (f"x-ratelimit-remaining-{each.unit}", str(each.remaining)),
                (f"x-ratelimit-reset-{each.unit}", duration(each.reset)),
            )
    return tuple(found)


def without_limits(headers: Headers) -> Headers:
    """Return headers without those about limits of an upstream's account."""
    return tuple(each for each in headers if not each[0].lower().startswith(PREFIXES))


def as_final(headers: Headers) -> Headers:
    """Return the headers of an error after which clients must not send the request again.

    There is no ``Retry-After``: some clients wait as long as it says, even until the next day.
    """
    kept = tuple(each for each in headers if each[0].lower() != "retry-after")
    return kept + _FINAL


def duration(seconds: float) -> str:
    """Return seconds as OpenAI writes them: ``0s``, ``45s``, ``1m5s``."""
    whole = math.ceil(seconds)
    return f"{whole // 60}m{whole % 60}s" if whole >= 60 else f"{whole}s"
