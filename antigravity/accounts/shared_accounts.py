"""Locks and disabled accounts that gateways share, so that one failure spares all of them others.

Each gateway asks only its own memory; see :class:`.state.table.SharedTable`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct

from antigravity.accounts.candidate_finder import secret_stamp
from antigravity.accounts.lock_table import LockTable
from antigravity.accounts.locks import Lock, LockScope
from antigravity.interfaces.upstreams import Credential
from antigravity.logs import make_logger
from antigravity.state.table import SharedTable, TableRow

#: Seconds for which others learn of what has no end: revoked credentials.
_FOREVER: Final = 31 * 86_400.0
#: The key of the row that says that an account is disabled; those of locks are :func:`_key`.
_DISABLED: Final = "disabled"


class _DisabledRow(Struct, frozen=True):
    """Why an account is disabled; ``stamp`` is the hash of the secret that was revoked."""

    stamp: str
    reason: str


_LOCK_DECODER: Final = msgspec.json.Decoder(dict[str, Any])
_DISABLED_DECODER: Final = msgspec.json.Decoder(_DisabledRow)


class SharedAccounts:
    """The locks of a pool, and the state that other gateways have of the same accounts.

    A part of the table is an account, or a whole upstream.  Accounts that this gateway does not
    have are ignored.

    :param credentials: returns all accounts.
    :param lock_changed: called with the scope and the lock, ``None`` if it has ended, when another
        gateway has changed it.
    :ivar disable: disables an account with a reason.
    """

    log = make_logger()

    def __init__(
        self,
        state: Any,
        reactor: Any,
        locks: LockTable,
        credentials: Callable[[], Iterable[Credential]],
        lock_changed: Callable[[LockScope, Lock | None], None],
        *,
        wall: Callable[[], float],
    ) -> None:
        self.disable: Callable[[Credential, str], None] = lambda credential, reason: None
        self._locks = locks
        self._credentials = credentials
        self._lock_changed = lock_changed
        self._is_active = False
        self._is_disabling = False
        self._table = SharedTable(state, reactor, "accounts", self._parts, self._taken, wall=wall)

    def start(self) -> Any:
        """Return a Deferred that fires when what others know was read, or cannot be."""
        self._is_active = True
        return self._table.start()

    def stop(self) -> Any:
        """Return a Deferred that fires when the others know everything."""
        self._is_active = False
        return self._table.stop()

    def refresh(self) -> Any:
        """Read what others know, such as of accounts that are new here."""
        return self._table.refresh()

    # What happens here

    def locks_changed(self, scope: LockScope) -> None:
        """Tell the others of a lock of this gateway's that began, changed or ended."""
        if not self._is_active or not self._has(scope):
            return
        part, key = _part(scope.upstream, scope.credential), _key(scope.model)
        found = self._locks.row(scope)
        if found is None:
            self._table.remove(part, key)
            return
        seconds, data = found
        self._table.set(part, key, msgspec.json.encode(data), min(seconds, _FOREVER))

    def unlocked(self, upstream: str, credential: str, model: str) -> None:
        """Tell the others that an account was unlocked, also what only they know of it."""
        if not self._is_active:
            return
        for part in (_part(upstream, credential), _part(upstream, None)):
            for key in self._table.keys(part):
                if not model or key == _key(model):
                    self._table.remove(part, key)

    def disabled(self, credential: Credential, reason: str) -> None:
        """Tell the others that an account cannot be used any more."""
        if self._is_active and not self._is_disabling:
            row = _DisabledRow(secret_stamp(credential), reason)
            part = _part(credential.upstream, credential.id)
            self._table.set(part, _DISABLED, msgspec.json.encode(row), _FOREVER)

    # What others tell

    def _taken(self, part: str, row: TableRow) -> None:
        owner = self._owner(part)
        if owner is None:
            return  # it was removed here
        upstream, credential = owner
        if row.key == _DISABLED:
            if row.value:
                self._disabled_elsewhere(credential, _DISABLED_DECODER.decode(row.value))
            return
        scope = LockScope(upstream, None if credential is None else credential.id, _model(row.key))
        data = _LOCK_DECODER.decode(row.value) if row.value else None
        lock = self._locks.use(scope, data)
        self.log.info(
            "another gateway found that {credential} {is_locked} for {model}",
            credential=scope.credential or f"every account of {upstream}",
            is_locked="is unlocked" if lock is None else f"is locked ({lock.kind})",
            model=scope.model or "all models",
        )
        self._lock_changed(scope, lock)

    def _disabled_elsewhere(self, credential: Credential | None, row: _DisabledRow) -> None:
        if credential is None or secret_stamp(credential) != row.stamp:
            return  # it has another secret meanwhile
        self._is_disabling = True
        try:
            self.disable(credential, row.reason)
        finally:
            self._is_disabling = False

    # Parts

    def _owners(self) -> Iterator[tuple[str, str, Credential | None]]:
        """Yield each part with its upstream and its account."""
        for credential in self._credentials():
            upstream = credential.upstream
            yield _part(upstream, credential.id), upstream, credential
            yield _part(upstream, None), upstream, None

    def _parts(self) -> list[str]:
        return [part for part, _, _ in self._owners()]

    def _owner(self, part: str) -> tuple[str, Credential | None] | None:
        return next((each[1:] for each in self._owners() if each[0] == part), None)

    def _has(self, scope: LockScope) -> bool:
        return _part(scope.upstream, scope.credential) in self._parts()


def _part(upstream: str, credential: str | None) -> str:
    return f"{upstream}/" if credential is None else f"{upstream}/{credential}"


def _key(model: str | None) -> str:
    return "account" if model is None else f"model/{model}"


def _model(key: str) -> str | None:
    return key.removeprefix("model/") if key.startswith("model/") else None
