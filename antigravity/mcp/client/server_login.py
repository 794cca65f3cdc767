"""The login to one server, and what it needs when the server refuses it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from antigravity.interfaces.status import LoginStatus
from antigravity.ir.errors import GatewayError
from antigravity.mcp.client.errors import LoginRequiredError, McpConnectionError
from antigravity.oauth.access_tokens import AccessTokens
from antigravity.oauth.challenge import Challenge, find_challenge
from antigravity.oauth.errors import LoginLostError

#: Seconds between two looks at the file of the login while one is awaited.
POLL: Final = 2.0


class ServerLogin:
    """The login to the server ``name``; ``tokens`` reads and renews it.

    :ivar is_required: whether the server requires a new login.
    """

    def __init__(self, name: str, tokens: AccessTokens, clock: IReactorTime, now: Any) -> None:
        self.is_required = False
        self._name = name
        self._tokens = tokens
        self._clock = clock
        self._now = now

    async def token(self) -> str:
        """Return the token to send; see :class:`.authorization.Authorization`."""
        try:
            return await self._tokens.token()
        except LoginLostError as error:
            raise self._required(error.message) from None
        except GatewayError as error:
            message = f"{self._name}: its login cannot be renewed: {error.message}."
            raise McpConnectionError(message) from None

    async def refused(self, token: str, status: int, challenges: Sequence[str]) -> bool:
        """Handle a refusal; see :class:`.authorization.Authorization`."""
        challenge = find_challenge(challenges)
        if status == 403:
            return await self._forbidden(token, challenge)
        try:
            if token and await self._tokens.renew(token):
                return True
            # Another process may have logged in since the request was sent.
            if await self._tokens.token() != token:
                return True
        except LoginLostError as error:
            raise self._required(error.message) from None
        except GatewayError as error:
            message = f"{self._name}: its login cannot be renewed: {error.message}."
            raise McpConnectionError(message) from None
        if token:
            raise self._required("it refuses the login")
        if challenge is None:
            raise LoginRequiredError(
                f"{self._name} requires a key or a login: set mcp.servers.{self._name}.api_key, or "
                f"run '{self._command}' on the gateway's machine."
            )
        raise self._required("it requires one")

    def accepted(self, token: str) -> None:
        """Record that a token works."""
        if token:
            self.is_required = False
            self._tokens.accepted(token)

    def wait(self, seconds: float) -> Deferred[bool]:
        """Return a Deferred that fires after ``seconds``, or as soon as the login has changed.

        Its result is whether the login has changed.
        """
        return _Wait(self._tokens, self._clock, seconds).done

    def status(self) -> LoginStatus:
        """Return the state of the login, for the operator."""
        grant, problem = self._tokens.grant(), self._tokens.problem()
        if grant is None:
            return LoginStatus("needed" if self.is_required else "none")
        expires_in = None if grant.expires_at is None else grant.expires_at - self._now()
        is_needed = self.is_required or bool(problem)
        return LoginStatus(
            "needed" if is_needed else "active",
            grant.issuer,
            expires_in,
            bool(grant.refresh),
            [each for each in grant.wanted if each not in grant.scopes],
        )

    def stop(self) -> Deferred[None]:
        """Return a Deferred that fires when no renewal is running any more."""
        return self._tokens.stop()

    @property
    def _command(self) -> str:
        return f"antigravity mcp login {self._name}"

    async def _forbidden(self, token: str, challenge: Challenge | None) -> bool:
        """Handle a 403; return whether the login has got more scopes since.

        :raises McpConnectionError: if it lacks scopes.
        """
        if challenge is None or (challenge.error != "insufficient_scope" and not challenge.scopes):
            raise McpConnectionError(f"{self._name} refused the request (403).", 403)
        try:
            current = await self._tokens.token()
        except GatewayError:
            current = token
        if current != token:
            return True
        await self._tokens.want(challenge.scopes)
        which = f" ({' '.join(challenge.scopes)})" if challenge.scopes else ""
        raise McpConnectionError(
            f"the login to {self._name} does not permit this{which}: run '{self._command}' on the "
            "gateway's machine to request it.",
            403,
        )

    def _required(self, why: str) -> LoginRequiredError:
        self.is_required = True
        return LoginRequiredError(
            f"{self._name} needs a login, because {why}: run '{self._command}' on the gateway's "
            "machine."
        )


class _Wait:
    """A pause that a change of the login ends."""

    def __init__(self, tokens: AccessTokens, clock: IReactorTime, seconds: float) -> None:
        self.done: Deferred[bool] = Deferred(lambda _: self._cancel())
        self._tokens = tokens
        self._clock = clock
        self._until = clock.seconds() + seconds
        self._timer: IDelayedCall | None = None
        self._arm()

    def _arm(self) -> None:
        remaining = max(0.0, self._until - self._clock.seconds())
        self._timer = self._clock.callLater(min(POLL, remaining), self._look)

    def _look(self) -> None:
        self._timer = None
        if self._tokens.has_changed:
            self.done.callback(True)
        elif self._clock.seconds() >= self._until:
            self.done.callback(False)
        else:
            self._arm()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
