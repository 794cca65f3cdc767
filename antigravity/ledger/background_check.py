"""Checks a large database in a thread while it is in use."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, inlineCallbacks, succeed

if TYPE_CHECKING:
    from antigravity.ledger.database import Database


class BackgroundCheck:
    """The check of a database that the last gateway did not close.

    :param run: runs a function in a thread.
    :param replace: called with the damage that was found; it returns a Deferred.
    """

    def __init__(
        self, run: Callable[..., Deferred[Any]], replace: Callable[[str], Deferred[Any]]
    ) -> None:
        self._run = run
        self._replace = replace
        self._database: Database | None = None
        self._ended: Deferred[Any] = succeed(None)
        self._is_stopped = False

    def begin(self, database: Database) -> None:
        """Check a database if it needs that, unless it is being checked."""
        if database.is_unchecked and self._database is None and not self._is_stopped:
            self._database = database
            self._ended = self._check(database)

    @inlineCallbacks
    def _check(self, database: Database) -> Any:
        damage = yield self._run(database.check)
        self._database = None
        if damage and not self._is_stopped:
            yield self._replace(damage)

    def stop(self) -> Deferred[Any]:
        """End the check; the Deferred fires when no thread does it any more."""
        self._is_stopped = True
        if self._database is not None:
            self._database.stop_check()
        return self._ended
