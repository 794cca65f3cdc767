"""Show accounts without their secrets."""

from __future__ import annotations

import datetime
from typing import Any

from antigravity.accounts.records import AccountRecord
from antigravity.config.display import foreign


def view(record: AccountRecord) -> dict[str, Any]:
    """Return an account as JSON with a masked secret."""
    return {
        "id": record.id,
        "kind": record.kind,
        "upstream": record.upstream,
        "label": record.label,
        "secret": record.secret.masked(),
        "enabled": record.enabled,
        "disabled_reason": record.disabled_reason,
        "disabled_at": format_time(record.disabled_at),
        "created": format_time(record.created),
        "base_url": record.base_url,
        "extra": foreign(record.extra),
    }


def format_time(seconds: float) -> str:
    """Return a time in ISO 8601; empty for none."""
    if not seconds:
        return ""
    try:
        moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        return "unknown"  # the file was edited by hand
    return moment.isoformat(timespec="seconds")


def format_value(value: object) -> str:
    """Return a value as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if value else "-"


def state(record: AccountRecord) -> str:
    """Return whether an account is enabled, and if not, why."""
    if record.enabled:
        return "enabled"
    return f"disabled ({record.disabled_reason})" if record.disabled_reason else "disabled"
