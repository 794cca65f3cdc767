"""What the operator sees of accounts, and how they are changed."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from twisted.internet.defer import Deferred
from zope.interface import Interface

from antigravity.interfaces.quota import Tier

#: ``unused`` is an account that is enabled, but that no upstream can use.
AccountState = Literal["ready", "busy", "limited", "locked", "disabled", "unused"]


class AccountLock(Struct, frozen=True):
    """A lock of an account, or of all accounts of its upstream.

    ``model`` is empty for a lock of all models.  ``free_in`` is in seconds, ``None`` if the lock
    does not end by itself.  ``help`` is a URL or a text with what its owner can do.
    """

    model: str
    reason: str
    free_in: float | None
    help: str = ""


class AccountQuota(Struct, frozen=True):
    """What is left (0 to 1) of the quota of a group of models; it is full again in ``free_in``.

    ``is_protected`` says that the rest is kept as a reserve.
    """

    group: str
    models: list[str]
    remaining: float
    free_in: float | None
    is_protected: bool = False


class AccountView(Struct, frozen=True, kw_only=True):
    """An account without its secret; the address in its label is masked.

    ``is_file`` is false for a credential of the configuration, which cannot be changed here.
    ``why`` is the reason for the states ``disabled`` and ``unused``.  ``created`` and
    ``disabled_at`` are in seconds since the epoch; ``ago``, ``last_error_ago`` and
    ``quota_age`` are how many seconds ago it was used, it failed, and its quotas were fetched.
    """

    id: str
    kind: str
    upstream: str
    label: str
    state: AccountState
    why: str = ""
    is_file: bool = True
    is_fixed: bool = False
    running: int = 0
    sessions: int = 0
    ago: float | None = None
    last_error: str = ""
    last_error_ago: float | None = None
    created: float | None = None
    disabled_at: float | None = None
    base_url: str = ""
    tier: Tier = ""
    plan: str = ""
    quota_age: float | None = None
    locks: list[AccountLock] = []
    quotas: list[AccountQuota] = []


class AccountList(Struct, frozen=True):
    """All accounts, the fixed one, and the policy that chooses among them."""

    accounts: list[AccountView]
    fixed: str | None
    mode: str


class AccountChanged(Struct, frozen=True):
    """The result of a change.

    ``problem`` is why the gateway does not use it yet: its configuration cannot be read.
    """

    account: str
    problem: str = ""


class CheckedModel(Struct, frozen=True):
    """What is left of a model's quota, and its reset time in seconds since the epoch."""

    remaining: float | None
    reset: float | None


class AccountCheck(Struct, frozen=True):
    """Whether an account works at its upstream, and its quotas if the upstream reports them."""

    account: str
    label: str
    works: bool
    error: str = ""
    tier: Tier = ""
    plan: str = ""
    models: dict[str, CheckedModel] = {}


class NewAccount(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of ``POST /admin/accounts``.

    ``upstream`` is needed only if several match the kind, ``base_url`` for one that the
    configuration does not have.  With ``check`` a secret that the upstream refuses is not saved.
    """

    kind: str
    secret: str
    label: str = ""
    upstream: str = ""
    base_url: str = ""
    check: bool = True

    def __repr__(self) -> str:
        return f"<NewAccount {self.kind}>"


class AddedAccount(Struct, frozen=True):
    """A saved account: whether it was new, and what its upstream says.

    ``notes`` are what its owner should know, such as why it is not used.
    """

    account: str
    upstream: str
    label: str
    outcome: Literal["added", "updated", "unchanged"]
    works: bool | None = None
    notes: list[str] = []


class LoginRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of ``POST /admin/logins``.

    ``redirect_uri`` is the loopback address to which the browser returns, such as
    ``http://127.0.0.1:8045/dashboard/logged-in``.
    """

    redirect_uri: str
    upstream: str = ""
    label: str = ""


class LoginStarted(Struct, frozen=True):
    """A login that waits for its user; ``url`` is for the browser."""

    id: str
    url: str
    upstream: str
    expires_in: float


class LoginResponse(Struct, frozen=True, forbid_unknown_fields=True):
    """The end of a login: the address at which the browser ended, or the code in it."""

    response: str

    def __repr__(self) -> str:
        return "<LoginResponse>"


class IAccountControl(Interface):
    """Shows and changes the accounts of a running gateway.

    ``account`` is an id, a label, or the beginning of an id.  All changes fail with a
    ``ConflictError`` in a demo, and with a ``NotFoundError`` if there is no such account.
    """

    def accounts() -> AccountList:
        """Return all accounts, also those that are disabled."""

    def switch(account: str, enabled: bool, reason: str) -> Deferred[AccountChanged]:
        """Enable an account and end its locks, or disable it with ``reason``.

        Return a Deferred that fires when the gateway has done so.
        """

    def remove(account: str) -> Deferred[AccountChanged]:
        """Remove an account and its file; the Deferred fires when it is done."""

    def refresh(account: str) -> Deferred[list[AccountCheck]]:
        """Check an account at its upstream, or all that are in use for ``""``; fetch quotas."""

    def add(new: NewAccount) -> Deferred[AddedAccount]:
        """Add an account, or update the known one with the same secret.

        The Deferred fails with an ``InvalidRequestError`` if no upstream can use it, or its
        upstream refuses it.
        """

    def login_upstreams() -> list[str]:
        """Return the names of the upstreams to which accounts can log in by a browser."""

    def start_login(wanted: LoginRequest) -> LoginStarted:
        """Begin to log in by a browser.

        :raises ConflictError: if there is no OAuth client for it.
        """

    def finish_login(identifier: str, response: str) -> Deferred[AddedAccount]:
        """Add the account of a login, with the address at which the browser ended or the code.

        The Deferred fails with an ``InvalidRequestError`` if it belongs to another login, or the
        user has refused, and with a ``NotFoundError`` if the login has ended.
        """

    def take_redirect(query: str) -> Deferred[AddedAccount]:
        """Add the account of the login that the query of a redirect belongs to."""
