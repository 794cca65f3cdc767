"""Changes of keys, as the command line and a running gateway make them.  They block."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec import UNSET
from msgspec.structs import asdict, replace

from antigravity.interfaces.keys import CreatedKey, KeyChange, NewKey
from antigravity.keys.key_file import KeyFile, StoredKeys
from antigravity.keys.records import KeyRecord, check_rules, rules_of
from antigravity.keys.secret import digest_of, hint_of, new_key_id, new_secret
from antigravity.keys.values import parse_duration


class KeyEditor:
    """Changes the keys of a home.

    A wrong value raises a ``ValueError``, a key that does not exist a ``LookupError``, and a
    damaged file a ``KeyFileError``.

    :param now: returns the seconds since the epoch.
    """

    def __init__(self, home: Path, now: Callable[[], float]) -> None:
        self._file = KeyFile(home)
        self._now = now

    def load(self) -> StoredKeys:
        """Return the keys."""
        return self._file.load()

    def add(self, new: NewKey) -> CreatedKey:
        """Make a key; return it with its secret."""
        now, secret = self._now(), new_secret()
        rules = rules_of(check_rules(new, now))
        label = new.label.strip()

        def change(stored: StoredKeys) -> tuple[tuple[KeyRecord, ...], CreatedKey]:
            _check_label(label, stored)
            record = KeyRecord(
                **rules,
                id=new_key_id(),
                label=label,
                digest=digest_of(secret, stored.salt),
                hint=hint_of(secret),
                created=now,
            )
            created = CreatedKey(id=record.id, key=secret, label=label, expires=record.expires)
            return (*stored.records, record), created

        return self._file.change(change)

    def change(self, key: str, change: KeyChange) -> KeyRecord:
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

        return self._edit(key, edit)

    def switch(self, key: str, enabled: bool) -> KeyRecord:
        """Enable or disable a key."""
        return self._edit(key, lambda record, _: replace(record, enabled=enabled))

    def rotate(self, key: str, grace: str) -> CreatedKey:
        """Give a key another secret; the one before stays valid for ``grace``."""
        now, secret = self._now(), new_secret()
        seconds = parse_duration(grace)

        def edit(record: KeyRecord, stored: StoredKeys) -> KeyRecord:
            return replace(
                record,
                digest=digest_of(secret, stored.salt),
                hint=hint_of(secret),
                previous_digest=record.digest if seconds else "",
                previous_until=now + seconds if seconds else 0.0,
            )

        record = self._edit(key, edit)
        return CreatedKey(id=record.id, key=secret, label=record.label, expires=record.expires)

    def remove(self, key: str) -> str:
        """Remove a key; return its id."""

        def change(stored: StoredKeys) -> tuple[tuple[KeyRecord, ...], str]:
            found = stored.find(key)
            return tuple(each for each in stored.records if each is not found), found.id

        return self._file.change(change)

    def _edit(self, key: str, edit: Callable[[KeyRecord, StoredKeys], KeyRecord]) -> KeyRecord:
        def change(stored: StoredKeys) -> tuple[tuple[KeyRecord, ...], KeyRecord]:
            found = stored.find(key)
            edited = edit(found, stored)
            records = tuple(edited if each is found else each for each in stored.records)
            return records, edited

        return self._file.change(change)


def _check_label(label: str, stored: StoredKeys) -> None:
    """Check the label of a new key: it is a name for the operator.

    :raises ValueError: if it is empty, has control characters, or is taken.
    """
    if not label or not label.isprintable():
        raise ValueError("label: it is empty or has characters that cannot be shown")
    if any(each.label == label for each in stored.records):
        raise ValueError(f"label: there is a key {label!r}; choose another label")
