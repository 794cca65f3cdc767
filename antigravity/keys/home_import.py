"""Keys and what they have spent, moved from the files of a home into another store."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from antigravity.deferreds import call_in_thread
from antigravity.interfaces.key_store import IKeyStore, KeySet, KeyStoreError
from antigravity.interfaces.spending import SpendClaim
from antigravity.keys.file_store import SPENDING_FILE
from antigravity.keys.key_file import FILE_NAME, KeyFile
from antigravity.keys.records import KeyRecord
from antigravity.keys.stored_keys import MOST_KEYS, StoredKeys, apply_change, parse_keys

#: What is added to the names of files whose content was moved.
SUFFIX: Final = ".imported"
#: No claim of an import is refused.
_NO_LIMIT: Final = 2**62


class Imported(Struct, frozen=True):
    """How many keys were added to the store, and how many it had already."""

    added: int
    known: int


async def import_home(
    reactor: Any, store: IKeyStore, home: Path, *, only_first: bool = False
) -> Imported | None:
    """Move the keys of a home, and what they have spent, into a store; rename the files.

    The digests of secrets go with them, so that clients keep their keys.  An import that was
    interrupted can be repeated: nothing is spent twice.

    :param only_first: whether to move nothing, and return ``None``, if the store has other keys.
    :raises KeyStoreError: if the file cannot be used.
    :raises StateError: if the store is out of reach.
    """
    file = KeyFile(home / FILE_NAME)
    keys = await call_in_thread(reactor, file.load)
    stored = parse_keys(keys)
    for problem in (stored.problem, *stored.damaged):
        if problem:
            raise KeyStoreError(f"{file.path}: {problem}")
    ids = {each.id for each in stored.records}
    if not ids:
        return Imported(0, 0)
    before = {str(each.get("id")) for each in (await store.load()).keys}
    if only_first and before and not ids <= before:
        return None
    spending = home / "state" / SPENDING_FILE
    source, accounts = await call_in_thread(reactor, _accounts, spending)
    for account, state in accounts.items():
        if account.partition("/")[0] in ids and isinstance(state, dict):
            await _spend(store, source, account, state)
    await call_in_thread(reactor, _set_aside, spending)
    await store.change(lambda found: merge(found, stored))
    await call_in_thread(reactor, _set_aside, file.path)
    return Imported(len(ids - before), len(ids & before))


def merge(found: KeySet, other: StoredKeys) -> KeySet:
    """Return the keys of a store with others, whose labels are changed if they are taken.

    :raises KeyStoreError: if there are too many.
    """
    if not found.keys:
        return apply_change(KeySet(other.salt), lambda stored: (other.records, None))[0]

    def add(stored: StoredKeys) -> tuple[tuple[KeyRecord, ...], None]:
        known = {each.id for each in stored.records}
        labels = {each.label for each in stored.records}
        records = list(stored.records)
        for record in other.records:
            if record.id in known:
                continue
            label = record.label if record.label not in labels else f"{record.label} {record.id}"
            salt = record.salt or other.salt
            records.append(replace(record, label=label, salt="" if salt == stored.salt else salt))
            labels.add(label)
        if len(records) > MOST_KEYS:
            raise KeyStoreError(f"there can be {MOST_KEYS} keys at most")
        return tuple(records), None

    return apply_change(found, add)[0]


def _accounts(path: Path) -> tuple[str, Mapping[str, Any]]:
    """Return a digest of a file, and what keys have spent, as it is there."""
    try:
        content = path.read_bytes()
        found = msgspec.json.decode(content)
    except (OSError, ValueError, RecursionError):
        return "", {}
    accounts = found.get("accounts") if isinstance(found, dict) else None
    digest = hashlib.blake2b(content, digest_size=16).hexdigest()
    return digest, accounts if isinstance(accounts, dict) else {}


async def _spend(store: IKeyStore, source: str, account: str, state: Mapping[str, Any]) -> None:
    """Add what was spent of an account, once for each ``source``.

    A second account is spent with it, which can be reserved once.  If the reservation was made
    before, it may still have to be settled.
    """
    spent, period = state.get("spent"), state.get("period")
    if not isinstance(spent, int) or not isinstance(period, str) or not 0 < spent < _NO_LIMIT:
        return
    name = hashlib.blake2b(f"{source} {account}".encode(), digest_size=16).hexdigest()
    claims = [
        SpendClaim(account, period, 0, _NO_LIMIT),
        SpendClaim(f"{account}/import", source, 1, 1),
    ]
    await store.spending.reserve(f"import-{name}", claims)
    await store.spending.settle(f"import-{name}", spent)


def _set_aside(path: Path) -> None:
    try:
        path.replace(path.with_name(path.name + SUFFIX))
    except FileNotFoundError:
        return
    except OSError as error:
        raise KeyStoreError(f"{path} cannot be renamed: {error.strerror}") from None
