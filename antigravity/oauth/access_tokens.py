"""The access token for one server: read from the file of its login, and renewed in time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec.structs import replace
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from antigravity.config.secret import Secret
from antigravity.ir.errors import GatewayError, UpstreamError
from antigravity.logs import make_logger
from antigravity.oauth import grant_requests
from antigravity.oauth.challenge import clean_scopes
from antigravity.oauth.errors import LoginLostError
from antigravity.oauth.file_lock import FileLock
from antigravity.oauth.grants import Grant, GrantFile, find_problem
from antigravity.oauth.metadata_client import MetadataClient
from antigravity.oauth.registration import OAuthClientSettings
from antigravity.redaction.credentials import CREDENTIALS

#: A token is renewed this many seconds before it expires, or after 4/5 of a short life.
RENEW_BEFORE: Final = 300.0
#: Seconds until a failed renewal is tried again while the token is still valid.
RETRY_AFTER: Final = 30.0
#: Seconds until a failed renewal is tried again after the token has expired.
RETRY_EXPIRED_AFTER: Final = 1.0
#: Seconds for which a token is not renewed if it was refused although it is new.
RENEWAL_PAUSE: Final = 600.0
#: Seconds to wait for another process that renews the same login.
_LOCK_TIMEOUT: Final = 45.0
#: Seconds that :meth:`AccessTokens.stop` waits for a renewal, whose result must not be lost.
STOP_TIMEOUT: Final = 10.0


class AccessTokens:
    """The tokens for the server at ``url``, from the login in ``file``.

    Renewals are made one at a time, by one process at a time, and are never cancelled, because
    the authorization server may have replaced the refresh token already.  The new tokens are
    written before they are used.

    :param requests: the client for the authorization server.
    :param now: returns seconds since 1970.
    :param run: calls a function that blocks, and returns a Deferred with its result.
    """

    log = make_logger()

    def __init__(
        self,
        url: str,
        file: GrantFile,
        requests: MetadataClient,
        settings: OAuthClientSettings,
        clock: IReactorTime,
        now: Callable[[], float],
        run: Callable[..., Deferred[Any]],
    ) -> None:
        self._url = url
        self._file = file
        self._requests = requests
        self._settings = settings
        self._clock = clock
        self._now = now
        self._run = run
        self._renewing: Deferred[None] | None = None
        self._waiting: list[Deferred[None]] = []
        self._retry_at = 0.0
        #: The last failed renewal, and when an expired token may be renewed again.
        self._failure = ""
        self._retry_expired_at = 0.0
        #: The newest tokens, if they could not be written.
        self._unsaved: Grant | None = None
        #: A token that replaced a refused one and has not been accepted yet.
        self._doubtful = ""

    @property
    def has_changed(self) -> bool:
        """Whether another process has changed the login since it was last used."""
        return self._file.has_changed

    def grant(self) -> Grant | None:
        """Return the current login, ``None`` if there is none."""
        if self._unsaved is not None and not self._file.has_changed:
            return self._unsaved
        self._unsaved = None
        has_changed = self._file.has_changed
        grant = self._file.read()
        if has_changed:
            CREDENTIALS.hold(self, () if grant is None else grant.secrets())
        return grant

    def problem(self) -> str:
        """Return why only a new login helps, empty if the login works or there is none."""
        grant = self.grant()
        if grant is None:
            return ""
        return find_problem(grant, self._url, self._settings, self._now())

    async def token(self) -> str:
        """Return a token that does not expire soon, empty without a login.

        :raises LoginLostError: if only a new login helps.
        :raises GatewayError: if the token has expired and cannot be renewed now.
        """
        grant = self.grant()
        if grant is None:
            return ""
        if problem := self.problem():
            raise LoginLostError(problem)
        if not self._is_due(grant):
            return grant.access.reveal()
        is_valid = grant.expires_at is None or self._now() < grant.expires_at
        if is_valid and self._clock.seconds() < self._retry_at:
            return grant.access.reveal()
        if not is_valid and self._clock.seconds() < self._retry_expired_at:
            raise UpstreamError(self._failure)
        try:
            await self._renewed("")
        except LoginLostError:
            raise
        except GatewayError:
            if not is_valid:
                raise
            return grant.access.reveal()
        return await self.token_after_renewal()

    async def token_after_renewal(self) -> str:
        """Return the token as it is, however soon it expires.

        :raises LoginLostError: if only a new login helps.
        """
        grant = self.grant()
        if problem := self.problem():
            raise LoginLostError(problem)
        return "" if grant is None else grant.access.reveal()

    async def renew(self, refused: str) -> bool:
        """Replace the token ``refused``, which got a 401; return whether there is another one.

        :raises LoginLostError: if only a new login helps.
        :raises GatewayError: if it cannot be renewed now.
        """
        grant = self.grant()
        if grant is None or self.problem():
            return False
        if grant.access.reveal() != refused:
            return True
        is_new = self._now() - grant.issued_at < RENEWAL_PAUSE
        if not grant.refresh or (refused == self._doubtful and is_new):
            return False
        await self._renewed(refused)
        grant = self.grant()
        if grant is None or self.problem() or grant.access.reveal() == refused:
            return False
        self._doubtful = grant.access.reveal()
        return True

    def accepted(self, token: str) -> None:
        """Record that a token works, even if it replaced a refused one."""
        if token == self._doubtful:
            self._doubtful = ""

    async def want(self, scopes: Sequence[str]) -> None:
        """Record that the server asks for more scopes, so that the next login requests them."""
        grant = self.grant()
        if grant is None or self._renewing is not None:
            return
        wanted = clean_scopes((*grant.wanted, *scopes))
        if wanted == grant.wanted:
            return
        lock = FileLock(self._file.lock_path, self._clock)
        try:
            if await lock.acquire(0.0) and (grant := self.grant()) is not None:
                await self._save(replace(grant, wanted=wanted))
        except OSError as error:
            self.log.warn("{path}: {e}", path=str(self._file.lock_path), e=error.strerror)
        finally:
            lock.release()

    def stop(self) -> Deferred[None]:
        """Return a Deferred that fires when a running renewal is complete and stored.

        No token is available any more then.
        """
        stopped: Deferred[None] = Deferred()
        if self._renewing is None:
            stopped = succeed(None)
        else:
            self._waiting.append(stopped)
            stopped.addTimeout(STOP_TIMEOUT, self._clock)
        return stopped.addErrback(lambda _: self._abort()).addBoth(self._release)

    def _abort(self) -> None:
        if self._renewing is not None:
            self._renewing.cancel()

    def _release(self, _: object) -> Deferred[None]:
        CREDENTIALS.release(self)
        return self._requests.close()

    # -- renewal --

    def _is_due(self, grant: Grant) -> bool:
        """Return whether the token expires soon, or its renewal has not been stored yet."""
        if self._unsaved is not None:
            return self._clock.seconds() >= self._retry_at
        if grant.expires_at is None or not grant.refresh:
            return False
        life = grant.expires_at - grant.issued_at
        return self._now() >= grant.expires_at - min(RENEW_BEFORE, life / 5)

    def _renewed(self, refused: str) -> Deferred[None]:
        """Return a Deferred that fires when the running renewal, or a new one, has ended.

        Cancelling it does not affect the renewal.
        """
        waiter: Deferred[None] = Deferred(self._stop_waiting)
        self._waiting.append(waiter)
        if self._renewing is None:
            renewing = Deferred.fromCoroutine(self._renew(refused))
            self._renewing = renewing
            renewing.addBoth(self._ended)
        return waiter

    def _stop_waiting(self, waiter: Deferred[None]) -> None:
        if waiter in self._waiting:  # it is not while the waiters are being called
            self._waiting.remove(waiter)

    def _ended(self, result: Failure | None) -> None:
        self._renewing = None
        waiting, self._waiting = self._waiting, []
        if isinstance(result, Failure) and result.check(CancelledError):
            result = Failure(UpstreamError("the gateway is shutting down"))
        elif isinstance(result, Failure) and not result.check(GatewayError):
            self.log.failure("renewing the login for {url} failed", result, url=self._url)
            result = Failure(UpstreamError("an error in the gateway; see its log"))
        for waiter in waiting:
            if not waiter.called:  # an earlier one can cancel it, as when its connection closes
                waiter.callback(result)  # a Failure runs the errbacks

    async def _renew(self, refused: str) -> None:
        lock = FileLock(self._file.lock_path, self._clock)
        try:
            if not await lock.acquire(_LOCK_TIMEOUT):
                raise UpstreamError("another process renews its login for too long")
            await self._renew_locked(refused)
        except OSError as error:
            raise UpstreamError(
                f"its login cannot be locked: {error.strerror or 'unknown error'}"
            ) from None
        except GatewayError as error:
            self._failure = error.message
            self._retry_at = self._clock.seconds() + RETRY_AFTER
            self._retry_expired_at = self._clock.seconds() + RETRY_EXPIRED_AFTER
            raise
        finally:
            lock.release()

    async def _renew_locked(self, refused: str) -> None:
        """Renew the login, unless another process has done so."""
        grant = self.grant()
        if grant is None or self.problem():
            return
        if self._unsaved is not None:
            await self._save(grant)
            return
        if not self._is_due(grant) and grant.access.reveal() != refused:
            return
        try:
            renewed = await grant_requests.renew(self._requests, grant, self._settings, self._now())
        except LoginLostError as error:
            await self._save(replace(grant, lost=error.message, access=Secret(), refresh=Secret()))
            raise
        await self._save(renewed)
        self.log.debug("renewed the login for {resource}", resource=grant.resource)

    async def _save(self, grant: Grant) -> None:
        """Write the login; if that fails, keep it in memory and try again later."""
        before = self.grant()
        CREDENTIALS.hold(
            self, grant.secrets() | (frozenset() if before is None else before.secrets())
        )
        try:
            await self._run(self._file.write, grant)
        except OSError as error:
            self._unsaved = grant
            self._retry_at = self._clock.seconds() + RETRY_AFTER
            self.log.error(
                "the login for {resource} cannot be written, and is lost when the gateway stops: "
                "{path}: {e}",
                resource=grant.resource,
                path=str(self._file.path),
                e=error.strerror,
            )
            return
        self._unsaved = None
