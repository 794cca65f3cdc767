"""Changes of keys, as the command line and a running gateway make them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from msgspec import UNSET
from msgspec.structs import asdict, replace

from antigravity.interfaces.key_store import IKeyStore, KeySet
from antigravity.interfaces.keys import CreatedKey, KeyChange, NewKey
from antigravity.keys.records import KeyRecord, check_rules, rules_of
from antigravity.keys.secret import digest_of, hint_of, new_key_id, new_secret
from antigravity.keys.stored_keys import Change, StoredKeys, apply_change, parse_keys
from antigravity.keys.values import parse_duration

T = TypeVar("T")


class KeyEditor:
    """Changes the keys of a store.

    A wrong value raises a ``ValueError``, a key that does not exist a ``LookupError``, damaged keys
    a ``KeyStoreError``, and a store that is out of reach a ``StateError``.

    :param now: returns the seconds since the epoch.
    :param changed: is called with all keys after each change.
    """

    def __init__(
        self,
        store: IKeyStore,
        now: Callable[[], float],
        changed: Callable[[KeySet], object] = lambda keys: None,
    ) -> None:
        self._store = store
        self._now = now
        self._changed = changed

    async def load(self) -> StoredKeys:
        """Return the keys."""
        return parse_keys(await self._store.load())

    async def add(self, new: NewKey) -> CreatedKey:
        """Make a key; return it with its secret."""
        now, secret = self._now(), new_secret()
        rules = rules_of(check_rules(new, now))
        label, identifier = new.label.strip(), new_key_id()

        def change(stored: StoredKeys) -> tuple[tuple[KeyRecord, ...], CreatedKey]:
            _check_label(label, stored)
            record = KeyRecord(
                **rules,
                id=identifier,
                label=label,
                digest=digest_of(secret, stored.salt),
                hint=hint_of(secret),
                created=now,
            )
            created = CreatedKey(id=record.id, key=secret, label=label, expires=record.expires)
            return (*stored.records, record), created

        return await self._apply(change)

    async def change(self, key: str, change: KeyChange) -> KeyRecord:
        """Change the rules of a key."""
        wanted = {name: value for name, value in asdict(change).items() if value is not UNSET}

        def edit(record: KeyRecord, stored: StoredKeys) -> KeyRecord:
            label = wanted.get("label", record.label).strip()
            if label != record.label:
                _check_label(label, stored)
            edited: KeyRecord = check_rules(
                replace(record, **{**wanted, "label": label}), self._now()
            )
            return edited

        return await self._edit(key, edit)

    async def switch(self, key: str, enabled: bool) -> KeyRecord:
        """Enable or disable a key."""
        return await self._edit(key, lambda record, _: replace(record, enabled=enabled))

    async def rotate(self, key: str, grace: str) -> CreatedKey:
        """Give a key another secret; the one before stays valid for ``grace``."""
        now, secret = self._now(), new_secret()
        seconds = parse_duration(grace)

        def edit(record: KeyRecord, stored: StoredKeys) -> KeyRecord:
            return replace(
                record,
                digest=digest_of(secret, record.salt or stored.salt),
                hint=hint_of(secret),
                previous_digest=record.digest if seconds else "",
                previous_until=now + seconds if seconds else 0.0,
            )

        record = await self._edit(key, edit)
        return CreatedKey(id=record.id, key=secret, label=record.label, expires=record.expires)

    async def remove(self, key: str) -> str:
        """Remove a key; return its id."""

        def change(stored: StoredKeys) -> tuple[tuple[KeyRecord, ...], str]:
            found = stored.find(key)
            return tuple(each for each in stored.records if each is not found), found.id

        return await self._apply(change)

    async def _edit(
        self, key: str, edit: Callable[[KeyRecord, StoredKeys], KeyRecord]
    ) -> KeyRecord:
        def change(stored: StoredKeys) -> tuple[tuple[KeyRecord, ...], KeyRecord]:
            found = stored.find(key)
            edited = edit(found, stored)
            records = tuple(edited if each is found else each for each in stored.records)
            return records, edited

        return await self._apply(change)

    async def _apply(self, change: Change[T]) -> T:
        results: list[T] = []

        def edit(found: KeySet) -> KeySet:
            keys, result = apply_change(found, change)
            results.append(result)
            return keys

        self._changed(await self._store.change(edit))
        return results[-1]


def _check_label(label: str, stored: StoredKeys) -> None:
    """Check the label of a new key: it is a name for the operator.

    :raises ValueError: if it is empty, has control characters, or is taken.
    """
    if not label or not label.isprintable():
        raise ValueError("label: it is empty or has characters that cannot be shown")
    if any(each.label == label for each in stored.records):
        raise ValueError(f"label: there is a key {label!r}; choose another label")
