"""Disables accounts whose credentials have become invalid.

An account is disabled only if the upstream reports a permanent failure: a refresh token that was
revoked or has expired.  A refused key does not count, since a wrong ``base_url`` has the same
effect.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.python.failure import Failure

from antigravity.accounts.files import AccountError, AccountFiles
from antigravity.config.secret import Secret
from antigravity.interfaces.upstreams import Credential
from antigravity.logs import make_logger

#: Calls a function in a thread, and returns a Deferred that fires with its result.
InThread = Callable[..., Deferred[Any]]


class AccountDisabler:
    """Removes credentials from use: at once in memory, then in the account file.

    :param remove: removes a credential from memory, and returns whether it was there.
    :param now: returns seconds since the epoch.
    :param on_disabled: called with each disabled credential and the reason.
    """

    log = make_logger()

    def __init__(
        self,
        files: AccountFiles,
        remove: Callable[[Credential], bool],
        now: Callable[[], float],
        in_thread: InThread,
        on_disabled: Callable[[Credential, str], None] = lambda credential, reason: None,
    ) -> None:
        self._files = files
        self._remove = remove
        self._now = now
        self._in_thread = in_thread
        self._on_disabled = on_disabled
        self._writes: set[Deferred[Any]] = set()

    def disable(self, credential: Credential, reason: str) -> None:
        """Stop using ``credential``, and disable its account with ``reason``."""
        if not self._remove(credential):
            return
        self.log.warn("{credential} is disabled: {reason}", credential=credential.id, reason=reason)
        self._on_disabled(credential, reason)
        write = self._in_thread(
            self._files.disable, credential.id, Secret(credential.secret), reason, self._now()
        )
        self._writes.add(write)
        write.addErrback(self._write_failed, credential.id)
        write.addBoth(lambda _: self._writes.discard(write))

    def close(self) -> Deferred[Any]:
        """Return a Deferred that fires when all changes are written."""
        return DeferredList(list(self._writes))

    def _write_failed(self, failure: Failure, identifier: str) -> None:
        """Log that the account is enabled again after a restart."""
        failure.trap(AccountError, OSError)
        error = failure.value
        why = (error.strerror or "it fails") if isinstance(error, OSError) else str(error)
        self.log.error(
            "the file of account {identifier} could not be written, so it stays enabled there: "
            "{why}",
            identifier=identifier,
            why=why,
        )
