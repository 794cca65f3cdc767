"""Whole replies, for the servers of all protocols."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from antigravity.ir.call import HttpReply
from antigravity.ir.errors import GatewayError


def json_reply(value: Any, headers: tuple[tuple[str, str], ...] = ()) -> HttpReply:
    """Return a JSON value as a reply with status 200."""
    return HttpReply(200, msgspec.json.encode(value), headers=headers)


def error_reply(error: GatewayError, body: Any) -> HttpReply:
    """Return the reply for an error, of which ``body`` is the JSON value."""
    data = msgspec.json.encode(body)
    return HttpReply(error.status, data, headers=retry_headers(error))


def list_page(items: Sequence[dict[str, Any]], *, has_more: bool) -> dict[str, Any]:
    """Return a page of a list; the next request names an id of its items."""
    return {
        "object": "list",
        "data": items,
        "first_id": items[0]["id"] if items else None,
        "last_id": items[-1]["id"] if items else None,
        "has_more": has_more,
    }


def page_number(text: str) -> int | None:
    """Return a number of up to nine digits in a query, ``None`` if it is not one."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 9 else None


def retry_headers(error: GatewayError) -> tuple[tuple[str, str], ...]:
    """Return ``Retry-After`` in whole seconds, rounded up, if it is known.

    If only the operator can solve the problem, ``X-Should-Retry`` keeps the SDKs of OpenAI and
    Anthropic from trying again, which they otherwise do after each 503.
    """
    if error.needs_operator:
        return (("x-should-retry", "false"),)
    wait = error.retry_after
    return () if wait is None else (("retry-after", str(math.ceil(wait))),)
