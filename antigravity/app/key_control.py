"""The keys of clients, as a running gateway uses them and its operator changes them."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred, DeferredLock, inlineCallbacks, maybeDeferred
from zope.interface import implementer
from zope.interface.exceptions import Invalid
from zope.interface.verify import verifyObject

from antigravity.config.errors import ConfigurationError
from antigravity.config.key_settings import HOME_FILES, key_store_url
from antigravity.config.settings import Settings
from antigravity.deferreds import call_in_thread
from antigravity.interfaces.key_store import IKeyStore, KeySet, KeyStoreError
from antigravity.interfaces.keys import (
    ClientKeyView,
    CreatedKey,
    IKeyControl,
    KeyChange,
    KeyRemoved,
    NewKey,
)
from antigravity.interfaces.spending import ISpending
from antigravity.interfaces.state import StateError
from antigravity.interfaces.status import KeyStoreStatus
from antigravity.ir.errors import (
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    UnavailableError,
)
from antigravity.keys.editor import KeyEditor
from antigravity.keys.gate import KeyGate
from antigravity.keys.home_import import import_home
from antigravity.keys.records import KeyRecord, view_of
from antigravity.keys.ring import KeyRing
from antigravity.keys.snapshot_file import FILE_NAME as SNAPSHOT_FILE
from antigravity.keys.snapshot_file import load_snapshot, save_snapshot
from antigravity.keys.spending import MemorySpending
from antigravity.keys.stored_keys import StoredKeys, parse_keys
from antigravity.logs import make_logger
from antigravity.state.kinds import find_kind

T = TypeVar("T")

#: Seconds until a store that is out of reach is asked again.
_PAUSE: Final = 1.0
#: The time zone of keys without one that gateways on several machines share.
_SHARED_ZONE: Final = "UTC"


@implementer(IKeyControl)
class KeyControl:
    """The keys of a gateway; see :class:`IKeyControl`.

    They are read and changed one after another, and are in force when a change is done.  While
    their store is out of reach, the last ones that were read stay in force.

    :param home: the home directory, ``None`` for a demo, which has no keys.
    :param state: where limits count.
    :param spending: the accounts of budgets, if another process has them, which also watches the
        store and says when to read it.
    :ivar changed: called when other keys are in force, and awaited.
    :ivar ring: the keys in force; :ivar gate: what admits requests of keys.
    """

    log = make_logger()

    def __init__(
        self, reactor: Any, home: Path | None, state: Any, spending: ISpending | None = None
    ) -> None:
        self._reactor = reactor
        self._home = home
        self._changing = DeferredLock()
        self._saving = DeferredLock()
        self._url = ""
        self._store: Any = None
        self._keys: KeySet | None = None
        self._is_lost = False
        self._loss = ""
        self._retry: Any = None
        #: Whether the keys of the home are still to be moved into the store.
        self._has_to_import = False
        self._is_main = spending is None
        self.changed: Callable[[], Any] = lambda: None
        self.ring = KeyRing(time.time)
        spending = MemorySpending(time.time) if spending is None else spending
        self.gate = KeyGate(self.ring, state, spending, time.time, reactor)

    @property
    def spending(self) -> ISpending:
        """The accounts of budgets."""
        return self.gate.spending

    def use(self, settings: Settings, kinds: Mapping[str, Any]) -> Any:
        """Use the store that the settings name; the Deferred fires when its keys are in force.

        It also fires if the store is out of reach.

        :raises ConfigurationError: if there is no such store; the earlier one stays in use.
        """
        url = key_store_url(settings.keys, settings.ledger)
        return self._changing.run(self._use, url, kinds)

    def start_sharing(self, state: Any) -> Any:
        """Count addresses with other gateways; the Deferred fires when theirs were read.

        :param state: provides :class:`ISharedState`.
        """
        return self.ring.addresses.share(state, self._reactor, self._with_addresses)

    def stop_sharing(self) -> Any:
        """Return a Deferred that fires when other gateways know everything."""
        return self.ring.addresses.stop()

    def _with_addresses(self) -> list[str]:
        return [
            key for key, each in self.ring.by_id.items() if each.record.max_addresses is not None
        ]

    def stop(self) -> Any:
        """Write what keys have spent; the Deferred fires when that is done."""
        self.gate.stop()
        return self._changing.run(self._stop)

    def load(self) -> Any:
        """Read the keys again; the Deferred fires when they are in force."""
        return self._changing.run(self._load)

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

    def status(self) -> KeyStoreStatus:
        """Return where the keys are, and whether that can be reached."""
        if self._store is None:
            return KeyStoreStatus()
        return KeyStoreStatus(self._store.name, self._loss or self.ring.problem)

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

    @inlineCallbacks
    def _use(self, url: str, kinds: Mapping[str, Any]) -> Any:
        home = self._home
        if home is None or (url == self._url and self._store is not None):
            return
        try:
            store = yield maybeDeferred(find_kind(url, kinds).build, self._reactor, home, url)
            verifyObject(IKeyStore, store)
        except (ValueError, Invalid) as error:
            raise ConfigurationError(str(error), key="keys.url") from error
        yield self._stop()
        self._url, self._store, self._keys = url, store, None
        if self._is_main:
            self.gate.spending = store.spending
            self._has_to_import = not self._is_of_home
            store.watch(self._noticed, self._note_loss)
            yield store.start()
        yield self._load()

    @property
    def _is_of_home(self) -> bool:
        return self._url == HOME_FILES

    @inlineCallbacks
    def _stop(self) -> Any:
        store, self._store = self._store, None
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if store is not None:
            yield store.stop()
            yield self._saving.run(lambda: None)

    @inlineCallbacks
    def _load(self) -> Any:
        if self._store is None:
            return
        try:
            found = yield self._store.load()
        except KeyStoreError as error:
            self._keys = None
            self.ring.use(StoredKeys(problem=str(error)))
            yield maybeDeferred(self.changed)
        except StateError as error:
            self._note_loss(str(error))
            yield self._use_last(str(error))
            self._load_later()
        else:
            self._note_return()
            if self._use_keys(found):
                yield maybeDeferred(self.changed)
            if self._has_to_import:
                yield Deferred.fromCoroutine(self._import())

    def _load_later(self) -> None:
        if self._retry is None and self._store is not None:
            self._retry = self._reactor.callLater(_PAUSE, self._load_again)

    def _load_again(self) -> None:
        self._retry = None
        self.load()

    @inlineCallbacks
    def _use_last(self, problem: str) -> Any:
        """Use the keys that were read last, perhaps by an earlier process."""
        if self._keys is not None:
            return
        found = None
        if self._home is not None:
            path = self._home / "state" / SNAPSHOT_FILE
            found = yield call_in_thread(self._reactor, load_snapshot, path, self._store.name)
        if found is None:
            self.ring.use(StoredKeys(problem=problem, is_lost=True))
        else:
            self._keys = found
            self.ring.use(parse_keys(found), _SHARED_ZONE)

    def _use_keys(self, found: KeySet) -> bool:
        """Use keys that were read now; return whether they are others than before."""
        if found == self._keys:
            return False
        self._keys = found
        self.ring.use(parse_keys(found), "" if self._is_of_home else _SHARED_ZONE)
        if self._is_main and not self._is_of_home and self._home is not None:
            path = self._home / "state" / SNAPSHOT_FILE
            self._saving.run(
                call_in_thread, self._reactor, save_snapshot, path, self._store.name, found
            )
        return True

    async def _import(self) -> None:
        """Move the keys of the home's file, if there are some, and the store has no others."""
        store, home = self._store, self._home
        assert home is not None
        try:
            done = await import_home(self._reactor, store, home, only_first=True)
            if done is not None and (done.added or done.known):
                self.log.info("moved {n} keys to {store}", n=done.added, store=store.name)
                self._use_keys(await store.load())
                await maybeDeferred(self.changed)
        except StateError:
            self._load_later()
            return
        except KeyStoreError as error:
            self.log.error(
                "the keys in keys.json are not in {store}: {error}",
                store=store.name,
                error=str(error),
            )
        else:
            if done is None:
                self.log.warn(
                    "the keys in keys.json are not used: 'antigravity keys import' moves them "
                    "to {store}",
                    store=store.name,
                )
        self._has_to_import = False

    def _noticed(self) -> None:
        """Read keys that others have changed."""
        self.load()

    def _note_loss(self, reason: str) -> None:
        self._loss = reason
        if not self._is_lost:
            self._is_lost = True
            self.log.error(
                "the store of the keys is out of reach: {reason}; keys without budgets are served "
                "as they were",
                reason=reason,
            )

    def _note_return(self) -> None:
        self._loss = ""
        if self._is_lost:
            self._is_lost = False
            self.log.info("the store of the keys can be reached again")

    def _run(self, change: Callable[[KeyEditor], Coroutine[Any, Any, T]]) -> Deferred[T]:
        """Return a Deferred with the result of a change, which is then in force."""
        if self._home is None:
            raise ConflictError("The demo has no keys.  Start the gateway without --demo.")
        return self._changing.run(lambda: Deferred.fromCoroutine(self._apply(change)))

    async def _apply(self, change: Callable[[KeyEditor], Coroutine[Any, Any, T]]) -> T:
        if self._store is None:
            raise UnavailableError("The gateway stops.", code="keys_unavailable")
        editor = KeyEditor(self._store, time.time, self._use_keys)
        try:
            result = await change(editor)
        except ValueError as error:
            name, _, rest = str(error).partition(": ")
            raise InvalidRequestError(f"{name}: {rest}" if rest else name, param=name) from None
        except LookupError as error:
            raise NotFoundError(_sentence(error), param="key", code="key_not_found") from None
        except KeyStoreError as error:
            await self._load()
            raise ConflictError(_sentence(error), code="key_file_unusable") from None
        except StateError as error:
            raise UnavailableError(
                f"The store of the keys is out of reach ({error}); see whether the change was made "
                "before you try again.",
                code="keys_unavailable",
            ) from None
        await maybeDeferred(self.changed)
        return result


def _view(record: KeyRecord) -> ClientKeyView:
    return view_of(record, time.time())


def _sentence(error: Exception) -> str:
    text = str(error.args[0]) if error.args else str(error)
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
