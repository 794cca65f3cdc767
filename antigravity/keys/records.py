"""A key as it is stored, and the checks of its rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec.structs import asdict, replace

from antigravity.config.ip_networks import parse_network
from antigravity.interfaces.keys import ClientKeyView, KeyRules
from antigravity.keys.secret import SALT_BYTES
from antigravity.keys.values import (
    iso_time,
    parse_budget,
    parse_expiry,
    parse_times,
    zone,
)

_RULES: Final = tuple(KeyRules.__struct_fields__)


class KeyRecord(KeyRules, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key as it is stored.

    ``digest`` stands for the secret; ``previous_digest`` for the one before, until
    ``previous_until``.  ``created`` and ``previous_until`` are in seconds since the epoch.
    ``salt`` is that of these digests if it is not that of the store: of a key that was imported.
    """

    id: str
    label: str
    digest: str
    hint: str
    created: float
    enabled: bool = True
    previous_digest: str = ""
    previous_until: float = 0.0
    salt: str = ""

    def __repr__(self) -> str:
        return f"<KeyRecord {self.id}>"


def parse_record(raw: Any) -> KeyRecord:
    """Return the key that a file holds.

    :raises ValueError: if it is damaged; a rule that this version does not know is not ignored.
    """
    record: KeyRecord = msgspec.convert(raw, KeyRecord)
    for digest in filter(None, (record.digest, record.previous_digest, record.salt)):
        if len(bytes.fromhex(digest)) != SALT_BYTES:
            raise ValueError("its digest or its salt is damaged")
    if not record.digest or not record.id:
        raise ValueError("its digest or its id is missing")
    if check_rules(record, record.created) != record:
        raise ValueError("its rules are not as the gateway writes them")
    return record


def check_rules(rules: Any, now: float) -> Any:
    """Return rules (or a record) with a definite end, and all values as they are stored.

    :raises ValueError: for the first wrong value, after its name and a colon.
    """
    budgets = [str(each) for each in _each("budgets", rules.budgets, parse_budget)]
    periods = [each.partition("/")[2] for each in budgets]
    if len(set(periods)) < len(periods):
        raise ValueError("budgets: a period occurs twice")
    networks = [str(each) for each in _each("addresses", rules.addresses, parse_network)]
    _each("times", rules.times, parse_times)
    _each("time_zone", [rules.time_zone], zone)
    expires = _each("expires", [rules.expires], lambda text: parse_expiry(text, now))[0]
    for name in ("models", "upstreams"):
        if not all(each.strip() for each in getattr(rules, name)):
            raise ValueError(f"{name}: an empty text matches nothing")
    return replace(rules, budgets=budgets, addresses=networks, expires=expires)


def rules_of(record: KeyRules) -> dict[str, Any]:
    """Return the rules of a key by name."""
    return {name: getattr(record, name) for name in _RULES}


def is_expired(record: KeyRecord, now: float) -> bool:
    """Return whether the time of a key is over."""
    return bool(record.expires) and datetime.fromisoformat(record.expires).timestamp() <= now


def view_of(record: KeyRecord, now: float) -> ClientKeyView:
    """Return a key without its digests."""
    has_previous = record.previous_digest and record.previous_until > now
    return ClientKeyView(
        **rules_of(record),
        id=record.id,
        label=record.label,
        hint=record.hint,
        enabled=record.enabled,
        state="disabled"
        if not record.enabled
        else "expired"
        if is_expired(record, now)
        else "valid",
        created=iso_time(record.created),
        previous_until=iso_time(record.previous_until) if has_previous else "",
    )


def as_stored(record: KeyRecord) -> dict[str, Any]:
    """Return what a file holds of a key: what differs from the defaults."""
    defaults = KeyRecord(id="", label="", digest="", hint="", created=0.0)
    needed = {"id", "label", "digest", "hint", "created"}
    return {
        name: value
        for name, value in asdict(record).items()
        if name in needed or value != getattr(defaults, name)
    }


def _each(name: str, values: Sequence[str], parse: Callable[[str], Any]) -> list[Any]:
    try:
        return [parse(value) for value in values]
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
