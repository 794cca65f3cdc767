"""Keys in a file, changed without a reactor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure

from antigravity.interfaces.key_store import Edit, KeySet, KeyStoreError
from antigravity.interfaces.keys import CreatedKey, KeyChange, NewKey
from antigravity.keys.editor import KeyEditor
from antigravity.keys.key_file import FILE_NAME, KeyFile
from antigravity.keys.records import KeyRecord
from antigravity.keys.stored_keys import StoredKeys


def run(work: Any) -> Any:
    """Return the result of a coroutine that waits for nothing."""
    found: list[Any] = []
    Deferred.fromCoroutine(work).addBoth(found.append)
    assert found
    if isinstance(found[0], Failure):
        found[0].raiseException()
    return found[0]


class FileEditor:
    """Changes the keys of a home; each method returns when the change is done."""

    def __init__(self, home: Path, now: Callable[[], float]) -> None:
        self.file = KeyFile(home / FILE_NAME)
        store: Any = _Store(self.file)
        self._editor = KeyEditor(store, now)

    def load(self) -> StoredKeys:
        try:
            found: StoredKeys = run(self._editor.load())
        except KeyStoreError as error:
            return StoredKeys(problem=str(error))
        return found

    def add(self, new: NewKey) -> CreatedKey:
        found: CreatedKey = run(self._editor.add(new))
        return found

    def change(self, key: str, change: KeyChange) -> KeyRecord:
        found: KeyRecord = run(self._editor.change(key, change))
        return found

    def switch(self, key: str, enabled: bool) -> KeyRecord:
        found: KeyRecord = run(self._editor.switch(key, enabled))
        return found

    def rotate(self, key: str, grace: str) -> CreatedKey:
        found: CreatedKey = run(self._editor.rotate(key, grace))
        return found

    def remove(self, key: str) -> str:
        found: str = run(self._editor.remove(key))
        return found


class _Store:
    def __init__(self, file: KeyFile) -> None:
        self._file = file

    def load(self) -> Deferred[KeySet]:
        return maybeDeferred(self._file.load)

    def change(self, edit: Edit) -> Deferred[KeySet]:
        return maybeDeferred(self._file.change, edit)
