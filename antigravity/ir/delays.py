"""Limits on the delays that clients get."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import Final

#: The longest delay that clients get, in seconds: a year.
LONGEST_DELAY: Final = 366 * 86400.0


def is_retry_after(value: str) -> bool:
    """Return whether a client can work with the value of a ``Retry-After`` header.

    It is a number of seconds or an HTTP date (RFC 9110, section 10.2.3), within a year from now.
    """
    text = value.strip()
    if text.isascii() and text.isdigit():
        return len(text) < 12 and int(text) <= LONGEST_DELAY
    try:
        return parsedate_to_datetime(text).timestamp() - time.time() <= LONGEST_DELAY
    except (ValueError, TypeError, IndexError, OverflowError):
        return False
