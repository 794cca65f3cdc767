"""Addresses of pages, which hold their filters."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from msgspec import Struct
from msgspec.structs import asdict, fields

from antigravity.interfaces.ledger import ExportQuestion
from antigravity.web.authentication import DASHBOARD_PATH

#: The time ranges that can be chosen, in seconds.
RANGES: Final = {
    "15m": 900.0,
    "1h": 3600.0,
    "24h": 86_400.0,
    "7d": 7 * 86_400.0,
    "30d": 30 * 86_400.0,
    "365d": 365 * 86_400.0,
}


class Address:
    """The address of a page with ``filters``, and of the same page with others."""

    def __init__(self, page: str, filters: Struct) -> None:
        self._page = page
        self._fields = asdict(filters)

    def __call__(self, page: str = "", /, **changes: object) -> str:
        """Return the address of the page, or of another ``page``, after some changes."""
        fields = {**self._fields, **changes}
        query = urlencode({name: value for name, value in fields.items() if value})
        path = f"{DASHBOARD_PATH}/{page or self._page}"
        return f"{path}?{query}" if query else path


def request_list(**filters: object) -> str:
    """Return the address of the list of requests with ``filters``."""
    query = urlencode({name: value for name, value in filters.items() if value})
    return f"{DASHBOARD_PATH}/requests?{query}" if query else f"{DASHBOARD_PATH}/requests"


def export_address(now: float, filters: Struct, kind: str) -> str:
    """Return the address of a file with the requests of ``filters``, as far as it can have them.

    :param kind: ``csv``, ``jsonl`` or ``har``.
    """
    given = asdict(filters)
    known = {field.name for field in fields(ExportQuestion)} & given.keys()
    query = {name: given[name] for name in sorted(known) if name != "since" and given[name]}
    if given.get("since"):
        query["since"] = round(now - RANGES[given["since"]])
    return f"{DASHBOARD_PATH}/export?{urlencode({**query, 'format': kind})}"
