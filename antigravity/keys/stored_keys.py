"""Keys as a store has them, and the checks when they are read.  Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from antigravity.interfaces.key_store import KeySet, KeyStoreError
from antigravity.keys.records import KeyRecord, as_stored, parse_record
from antigravity.keys.secret import new_salt

#: The most keys of a store.
MOST_KEYS: Final = 10_000

T = TypeVar("T")


class StoredKeys(Struct, frozen=True):
    """The keys of a store.

    ``problem`` says why the store cannot be used, ``damaged`` why single keys cannot, by their id
    or place.  None of these keys is valid.  ``is_lost`` says that the store is out of reach, so
    that its keys may be valid later.
    """

    salt: str = ""
    records: tuple[KeyRecord, ...] = ()
    damaged: tuple[str, ...] = ()
    problem: str = ""
    is_lost: bool = False

    def find(self, key: str) -> KeyRecord:
        """Return the key with an id, a label, or the beginning of an id.

        :raises LookupError: if there is none, or more than one.
        """
        for matches in (
            [each for each in self.records if each.id == key],
            [each for each in self.records if each.label == key],
            [each for each in self.records if len(key) >= 5 and each.id.startswith(key)],
        ):
            if len(matches) == 1:
                return matches[0]
            if matches:
                ids = ", ".join(each.id for each in matches[:5])
                raise LookupError(f"{key!r} stands for several keys: {ids}")
        raise LookupError(f"the key {key[:100]!r} does not exist")


#: A change of parsed keys: it returns all of them, and its result.
Change = Callable[[StoredKeys], tuple[tuple[KeyRecord, ...], T]]


def parse_keys(found: KeySet) -> StoredKeys:
    """Return keys with their rules checked."""
    if len(found.keys) > MOST_KEYS:
        return StoredKeys(problem=f"there are more than {MOST_KEYS} keys")
    records: list[KeyRecord] = []
    damaged: list[str] = []
    known: set[str] = set()
    for place, raw in enumerate(found.keys):
        name = raw.get("id") if isinstance(raw, dict) else None
        where = f"the key {name if isinstance(name, str) else place}"
        try:
            record = parse_record(raw)
        except (ValueError, TypeError, OverflowError) as error:
            damaged.append(f"{where} is damaged: {error}")
            continue
        if record.id in known:
            damaged.append(f"{where} occurs twice")
            continue
        known.add(record.id)
        records.append(record)
    return StoredKeys(found.salt, tuple(records), tuple(damaged))


def apply_change(found: KeySet, change: Change[T]) -> tuple[KeySet, T]:
    """Return keys after a change, and its result.

    :raises KeyStoreError: if some are damaged, or too many.
    """
    stored = parse_keys(found)
    for problem in (stored.problem, *stored.damaged):
        if problem:
            raise KeyStoreError(
                f"{problem}.  Repair or remove it first: keys beside it would be lost."
            )
    if not stored.salt:
        stored = replace(stored, salt=new_salt())
    records, result = change(stored)
    if len(records) > MOST_KEYS:
        raise KeyStoreError(f"there can be {MOST_KEYS} keys at most")
    kept: dict[str, Any] = {each["id"]: each for each in found.keys}
    before = {each.id: each for each in stored.records}
    keys = tuple(
        kept[each.id] if before.get(each.id) is each else as_stored(each) for each in records
    )
    return KeySet(stored.salt, keys), result
