"""The last keys that a gateway has read, for a start while their database is away.  It blocks."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from antigravity.config.atomic import write_private
from antigravity.interfaces.key_store import KeySet
from antigravity.logs import make_logger

FILE_NAME: Final = "known_keys.json"

log = make_logger()


class _Snapshot(Struct):
    store: str
    salt: str
    keys: list[Any]


def save_snapshot(path: Path, store: str, keys: KeySet) -> None:
    """Keep the keys of a store; like it, the file has digests only, and is private."""
    snapshot = _Snapshot(store, keys.salt, list(keys.keys))
    try:
        write_private(path, msgspec.json.encode(snapshot))
    except OSError as error:
        log.error("{path} cannot be written: {error}", path=str(path), error=error.strerror)


def load_snapshot(path: Path, store: str) -> KeySet | None:
    """Return the keys of a store, ``None`` if none were kept."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_Snapshot)
    except (OSError, ValueError, RecursionError):
        return None
    return KeySet(found.salt, tuple(found.keys)) if found.store == store else None
