"""The keys of clients, as a running gateway uses them and its operator changes them."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred, DeferredLock, inlineCallbacks
from zope.interface import implementer

from antigravity.app.build import open_state
from antigravity.deferreds import call_in_thread
from antigravity.interfaces.keys import (
    ClientKeyView,
    CreatedKey,
    IKeyControl,
    KeyChange,
    KeyRemoved,
    NewKey,
)
from antigravity.interfaces.state import IState
from antigravity.interfaces.stores import IStateStore
from antigravity.ir.errors import ConflictError, InvalidRequestError, NotFoundError
from antigravity.keys.editor import KeyEditor
from antigravity.keys.gate import KeyGate
from antigravity.keys.key_file import KeyFileError, StoredKeys
from antigravity.keys.records import KeyRecord, view_of
from antigravity.keys.ring import KeyRing
from antigravity.keys.spending import MemorySpending

T = TypeVar("T")

SPENDING_FILE: Final = "spending.json"
#: Seconds: what a process that is killed forgets, as for rows of the ledger.
_SPENDING_DELAY: Final = 0.2


@implementer(IKeyControl)
class KeyControl:
    """The keys of a home; see :class:`IKeyControl`.

    The file is changed in a thread, one change at a time, and is in force when a change is done.

    :param home: the home directory, ``None`` for a demo, which has no keys.
    :param state: where limits count.
    :ivar ring: the keys in force; :ivar gate: what admits requests of keys.
    """

    def __init__(self, reactor: Any, home: Path | None, state: IState) -> None:
        self._reactor = reactor
        self._editor = None if home is None else KeyEditor(home, time.time)
        self._changing = DeferredLock()
        self.ring = KeyRing(time.time)
        self._spending = MemorySpending(time.time)
        self._store: IStateStore | None = None
        if home is not None:
            path = home / "state" / SPENDING_FILE
            self._store = open_state(reactor, path, delay=_SPENDING_DELAY)
        self.gate = KeyGate(self.ring, state, self._spending, time.time)

    def start(self) -> None:
        """Read keys and what they have spent."""
        if self._store is not None:
            self._spending.load(self._store)
        self.load()

    @inlineCallbacks
    def stop(self) -> Any:
        """Write what keys have spent; the Deferred fires when that is done."""
        if self._store is not None:
            yield self._store.stop()

    def load(self) -> None:
        """Read the file, and use its keys from the next request on."""
        if self._editor is not None:
            self._use(self._editor.load())

    def usage(self, principal: str) -> Deferred[dict[str, Any]]:
        """Return a Deferred with what a key may do and has used; see :class:`KeyGate`."""
        return Deferred.fromCoroutine(self.gate.usage(principal))

    def views(self) -> list[ClientKeyView]:
        """Return all keys, oldest first."""
        now = time.time()
        return [view_of(each.record, now) for each in self.ring.by_id.values()]

    def problem(self) -> str:
        """Return why the keys cannot be used."""
        return self.ring.problem

    def add(self, new: NewKey) -> Deferred[CreatedKey]:
        """Make a key."""
        return self._run(lambda editor: editor.add(new))

    def change(self, key: str, change: KeyChange) -> Deferred[ClientKeyView]:
        """Change the rules of a key."""
        return self._run(lambda editor: editor.change(key, change)).addCallback(_view)

    def switch(self, key: str, enabled: bool) -> Deferred[ClientKeyView]:
        """Enable or disable a key."""
        return self._run(lambda editor: editor.switch(key, enabled)).addCallback(_view)

    def rotate(self, key: str, grace: str) -> Deferred[CreatedKey]:
        """Replace the secret of a key."""
        return self._run(lambda editor: editor.rotate(key, grace))

    def remove(self, key: str) -> Deferred[KeyRemoved]:
        """Remove a key."""
        return self._run(lambda editor: editor.remove(key)).addCallback(KeyRemoved)

    def _run(self, change: Callable[[KeyEditor], T]) -> Deferred[T]:
        """Return a Deferred with the result of a change, which is then in force."""
        if self._editor is None:
            raise ConflictError("The demo has no keys.  Start the gateway without --demo.")
        work = partial(_change, self._editor, change)
        return self._changing.run(lambda: Deferred.fromCoroutine(self._apply(work)))

    async def _apply(self, work: Callable[[], tuple[T, StoredKeys]]) -> T:
        try:
            changed: tuple[T, StoredKeys] = await call_in_thread(self._reactor, work)
        except ValueError as error:
            name, _, rest = str(error).partition(": ")
            raise InvalidRequestError(f"{name}: {rest}" if rest else name, param=name) from None
        except LookupError as error:
            raise NotFoundError(_sentence(error), param="key", code="key_not_found") from None
        except KeyFileError as error:
            self.load()
            raise ConflictError(_sentence(error), code="key_file_unusable") from None
        result, stored = changed
        self._use(stored)
        return result

    def _use(self, stored: StoredKeys) -> None:
        self.ring.use(stored)
        if not self.ring.problem:  # a damaged file forgets nothing
            self._spending.keep(self.ring.by_id)


def _change(editor: KeyEditor, change: Callable[[KeyEditor], T]) -> tuple[T, StoredKeys]:
    result = change(editor)
    return result, editor.load()


def _view(record: KeyRecord) -> ClientKeyView:
    return view_of(record, time.time())


def _sentence(error: Exception) -> str:
    text = str(error.args[0]) if error.args else str(error)
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
