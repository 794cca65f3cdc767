"""The state of a simulator: in memory, and bounded."""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from antigravity.simulator.errors import ApiError, ConnectionFault
from antigravity.simulator.flaky import plan_failure
from antigravity.simulator.prompt_rules import PromptRule

_MAX_ENTRIES: Final = 10_000
_MAX_LOGGED: Final = 1_000
#: Of a larger body, only the size is logged.
_MAX_LOGGED_BODY: Final = 8 * 1024 * 1024

T = TypeVar("T")


class BoundedDict(Generic[T]):
    """A mapping that drops its oldest entries."""

    def __init__(self, limit: int = _MAX_ENTRIES) -> None:
        self._limit = limit
        self._items: OrderedDict[str, T] = OrderedDict()

    def get(self, key: str) -> T | None:
        """Return the value of ``key``, or ``None``."""
        return self._items.get(key)

    def put(self, key: str, value: T) -> None:
        """Set the value of ``key``."""
        self._items[key] = value
        self._items.move_to_end(key)
        while len(self._items) > self._limit:
            self._items.popitem(last=False)

    def drop(self, key: str) -> bool:
        """Delete ``key``; return whether it was present."""
        return self._items.pop(key, None) is not None

    def __contains__(self, key: str) -> bool:
        return key in self._items


@dataclass(frozen=True)
class LoggedRequest:
    """One request as it arrived; headers have lower-case names and their last values."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: Any = None


@dataclass
class Stats:
    """Counters; ``open_streams`` is a gauge."""

    requests: int = 0
    refused: int = 0
    answered: int = 0
    open_streams: int = 0
    finished_streams: int = 0
    cancelled_streams: int = 0
    broken_streams: int = 0
    tokens_issued: int = 0


@dataclass(frozen=True)
class Account:
    """A simulated Google account, derived from its refresh token."""

    refresh_token: str

    @property
    def project(self) -> str:
        """The project that belongs to the account."""
        return "sim-project-" + hashlib.sha256(self.refresh_token.encode()).hexdigest()[:8]

    @property
    def email(self) -> str:
        """The e-mail address of the account."""
        return f"user-{self.project[-8:]}@simulator.example"

    @property
    def remaining_fraction(self) -> float:
        """The remaining fraction of each quota."""
        if self.refresh_token.startswith("exhausted-"):
            return 0.0
        named = re.match(r"left-(\d{1,3})-", self.refresh_token)
        return min(int(named[1]), 100) / 100 if named else 0.75


@dataclass(frozen=True)
class _AccessToken:
    account: Account
    expires: float


def check_key(key: str) -> None:
    """Refuse keys with a prefix that stands for an error.

    :raises ApiError: with 401, 403 or 429.
    """
    if key.startswith("bad-"):
        raise ApiError(
            401, "API key not valid. Please pass a valid API key.", code="invalid_api_key"
        )
    if key.startswith("forbidden-"):
        raise ApiError(403, "The caller does not have permission.")
    if key.startswith("exhausted-"):
        raise ApiError(
            429,
            "You have exhausted your capacity on this model. Your quota will reset after 1h0m0s.",
            retry=3600.0,
            reason="QUOTA_EXHAUSTED",
        )


@dataclass
class SocketRules:
    """How the simulator speaks WebSocket.

    ``refuse_with`` is the status of refused handshakes, 0: none is refused.  ``lanes`` says that
    it knows ``stream_id``; ``max_age`` is in seconds.
    """

    refuse_with: int = 0
    lanes: bool = True
    max_age: float = 3600.0


@dataclass
class State:
    """Counters, tokens, sessions and the log of one simulator.

    :param seconds: returns the time.
    :param lifetime: seconds until an access token expires.
    """

    seconds: Callable[[], float]
    lifetime: float = 3599.0
    stats: Stats = field(default_factory=Stats)
    log: deque[LoggedRequest] = field(default_factory=lambda: deque(maxlen=_MAX_LOGGED))
    items: BoundedDict[bool] = field(default_factory=BoundedDict)
    socket_rules: SocketRules = field(default_factory=SocketRules)
    sockets: set[Any] = field(default_factory=set)
    sessions: BoundedDict[str] = field(default_factory=BoundedDict)
    #: Keys and refresh tokens to refuse.
    refused: set[str] = field(default_factory=set)
    #: Context windows in tokens, by model; other models have no limit.
    windows: dict[str, int] = field(default_factory=dict)
    #: Whether the Responses API compacts conversations; some compatible services do not.
    compacts: bool = True
    #: Directives for prompts that contain none.
    rules: tuple[PromptRule, ...] = ()
    _numbers: int = 0
    _failures: BoundedDict[int] = field(default_factory=BoundedDict)
    _uses: BoundedDict[int] = field(default_factory=BoundedDict)
    _access: BoundedDict[_AccessToken] = field(default_factory=BoundedDict)
    _codes: BoundedDict[str] = field(default_factory=BoundedDict)
    _onboarding_steps: BoundedDict[int] = field(default_factory=BoundedDict)

    def next_number(self) -> int:
        """Return the next number."""
        self._numbers += 1
        return self._numbers

    def count_failure(self, conversation: str, directive: str) -> int:
        """Count a failure; return how many there were before."""
        key = f"{directive}\0{conversation}"
        before = self._failures.get(key) or 0
        self._failures.put(key, before + 1)
        return before

    def admit(self, key: str) -> ConnectionFault | None:
        """Count a request of an account; return the fault of its connection, if there is one.

        :raises ApiError: if the account is refused, or a failure is due.
        """
        if key in self.refused:
            raise ApiError(401, "This credential has been revoked.", code="invalid_api_key")
        number = self._uses.get(key) or 0
        self._uses.put(key, number + 1)
        found = plan_failure(key, number)
        if isinstance(found, ApiError):
            raise found
        return found

    def record(self, entry: LoggedRequest, size: int) -> None:
        """Add a request to the log."""
        self.stats.requests += 1
        if size > _MAX_LOGGED_BODY:
            entry = LoggedRequest(
                entry.method, entry.path, entry.query, entry.headers, {"_bytes": size}
            )
        self.log.append(entry)

    # Google accounts

    def issue_token(self, refresh_token: str) -> str:
        """Return a new access token."""
        token = f"sim-at-{self.next_number():08d}"
        self._access.put(
            token, _AccessToken(Account(refresh_token), self.seconds() + self.lifetime)
        )
        self.stats.tokens_issued += 1
        return token

    def account(self, access_token: str) -> Account:
        """Return the account of a valid access token.

        :raises ApiError: if it was not issued here, or has expired.
        """
        found = self._access.get(access_token)
        if found is None or found.expires <= self.seconds():
            raise ApiError(
                401,
                "Request had invalid authentication credentials. Expected OAuth 2 access token, "
                "login cookie or other valid authentication credential. See "
                "https://developers.google.com/identity/sign-in/web/devconsole-project.",
                reason="ACCESS_TOKEN_EXPIRED" if found else "ACCESS_TOKEN_TYPE_UNSUPPORTED",
            )
        return found.account

    def store_challenge(self, code: str, challenge: str) -> None:
        """Store the PKCE challenge of an authorization code."""
        self._codes.put(code, challenge)

    def challenge(self, code: str) -> str | None:
        """Return and delete the PKCE challenge of an authorization code."""
        found = self._codes.get(code)
        self._codes.drop(code)
        return found

    def has_project(self, account: Account) -> bool:
        """Return whether the account has a project; new accounts must be onboarded first."""
        fresh = account.refresh_token.startswith("new-")
        return not fresh or (self._onboarding_steps.get(account.refresh_token) or 0) >= 2

    def onboard(self, account: Account) -> bool:
        """Run one onboarding step; return whether onboarding is done, after the second."""
        steps = (self._onboarding_steps.get(account.refresh_token) or 0) + 1
        self._onboarding_steps.put(account.refresh_token, steps)
        return steps >= 2
