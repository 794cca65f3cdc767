"""What happens to an account whose credential is of no use any more.

Only what an upstream says for good retires an account: a refresh token that was revoked or has
expired.  A refused key does not, since a wrong ``base_url`` gets the same answer.
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
    """Takes a credential out of use: at once in memory, and soon on disk.

    :param drop: forgets a credential, and returns whether it was known.
    :param now: tells the seconds since 1970.
    :param told: is called with what was retired, and why.
    """

    log = make_logger()

    def __init__(
        self,
        files: AccountFiles,
        drop: Callable[[Credential], bool],
        now: Callable[[], float],
        in_thread: InThread,
        told: Callable[[Credential, str], None] = lambda credential, reason: None,
    ) -> None:
        self._files = files
        self._drop = drop
        self._now = now
        self._in_thread = in_thread
        self._told = told
        self._writing: set[Deferred[Any]] = set()

    def retire(self, credential: Credential, reason: str) -> None:
        """Use ``credential`` no more, and disable its account with ``reason``."""
        if not self._drop(credential):
            return
        self.log.warn(
            "{credential} is taken out of use: {reason}", credential=credential.id, reason=reason
        )
        self._told(credential, reason)
        writing = self._in_thread(
            self._files.disable, credential.id, Secret(credential.secret), reason, self._now()
        )
        self._writing.add(writing)
        writing.addErrback(self._not_written, credential.id)
        writing.addBoth(lambda _: self._writing.discard(writing))

    def close(self) -> Deferred[Any]:
        """Return a Deferred that fires when everything is on disk."""
        return DeferredList(list(self._writing))

    def _not_written(self, failure: Failure, identifier: str) -> None:
        """Say that the account will be tried again after a restart."""
        failure.trap(AccountError, OSError)
        error = failure.value
        why = (error.strerror or "it fails") if isinstance(error, OSError) else str(error)
        self.log.error(
            "the file of account {identifier} could not be written, so it stays enabled there: "
            "{why}",
            identifier=identifier,
            why=why,
        )
