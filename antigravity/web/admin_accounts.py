"""The operator's requests about accounts."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from twisted.internet.defer import Deferred

from antigravity.interfaces.account_control import (
    AccountChanged,
    AccountCheck,
    AccountList,
    AddedAccount,
    IAccountControl,
    LoginRequest,
    LoginResponse,
    LoginStarted,
    NewAccount,
)
from antigravity.interfaces.admin_routes import AdminRoute
from antigravity.interfaces.administration import IAdministration
from antigravity.ir.errors import ConflictError, InvalidRequestError, NotFoundError


class DisableRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Why an account is disabled."""

    reason: str = ""


class AccountQuestion(Struct, frozen=True, forbid_unknown_fields=True):
    """The account to check; empty for all that are in use."""

    account: str = ""


class AccountChecks(Struct, frozen=True):
    """What the upstreams say of accounts."""

    accounts: list[AccountCheck]


_NAMES = {"account": "id, label, or the beginning of an id"}


class AccountRequests:
    """The requests about the accounts of an administration."""

    def __init__(self, administration: IAdministration) -> None:
        self._administration = administration

    @property
    def _accounts(self) -> IAccountControl:
        control: IAccountControl = self._administration.accounts
        return control

    def routes(self) -> Iterator[AdminRoute]:
        """Yield the declaration of each request."""
        yield AdminRoute(
            method="GET",
            path="/admin/accounts",
            summary="List all accounts, also disabled ones: state and why, locks, quotas.",
            response=AccountList,
            handler=lambda: self._accounts.accounts(),
        )
        yield from self._change_routes()
        yield AdminRoute(
            method="POST",
            path="/admin/accounts/refresh",
            summary="Check one account or all at their upstreams, and fetch their quotas.",
            example={"account": "codeassist-1"},
            body=AccountQuestion,
            body_optional=True,
            response=AccountChecks,
            errors=(NotFoundError,),
            handler=self._refresh,
        )
        yield from self._login_routes()

    def _change_routes(self) -> Iterator[AdminRoute]:
        yield AdminRoute(
            method="POST",
            path="/admin/accounts",
            summary="Add an account, or update the known one with the same secret.",
            details=(
                "The fields are the options of `antigravity accounts add`.  Its upstream is asked "
                "first, and a secret that it refuses is not saved, unless `check` is false."
            ),
            example={"kind": "gemini_api", "secret": "KEY"},
            body=NewAccount,
            response=AddedAccount,
            errors=(InvalidRequestError, ConflictError),
            handler=lambda body: self._accounts.add(body),
        )
        yield AdminRoute(
            method="POST",
            path="/admin/accounts/<account>/enable",
            summary="Enable an account, and end its locks.",
            names=_NAMES,
            response=AccountChanged,
            errors=(NotFoundError, ConflictError),
            handler=lambda account: self._accounts.switch(account, True, ""),
        )
        yield AdminRoute(
            method="POST",
            path="/admin/accounts/<account>/disable",
            summary="Stop using an account without removing it.",
            example={"reason": "used elsewhere today"},
            names=_NAMES,
            body=DisableRequest,
            body_optional=True,
            response=AccountChanged,
            errors=(NotFoundError, ConflictError),
            handler=lambda account, body: self._accounts.switch(account, False, body.reason),
        )
        yield AdminRoute(
            method="DELETE",
            path="/admin/accounts/<account>",
            summary="Remove an account and its file.",
            names=_NAMES,
            response=AccountChanged,
            errors=(NotFoundError, ConflictError),
            handler=lambda account: self._accounts.remove(account),
        )

    def _login_routes(self) -> Iterator[AdminRoute]:
        yield AdminRoute(
            method="POST",
            path="/admin/logins",
            summary="Begin to log in by a browser: the response has the address for it.",
            details="The browser then returns to the redirect address, a page of the gateway.",
            example={"redirect_uri": "http://127.0.0.1:8045/dashboard/logged-in"},
            body=LoginRequest,
            response=LoginStarted,
            errors=(InvalidRequestError, ConflictError),
            handler=lambda body: self._accounts.start_login(body),
        )
        yield AdminRoute(
            method="POST",
            path="/admin/logins/<login>",
            summary="Add the account of a login, with the address at which the browser ended.",
            details="It is needed only if the browser could not return to the gateway.",
            names={"login": "id of a login that was begun"},
            example={"response": "http://127.0.0.1:8045/dashboard/logged-in?code=CODE"},
            body=LoginResponse,
            response=AddedAccount,
            errors=(InvalidRequestError, NotFoundError),
            handler=lambda login, body: self._accounts.finish_login(login, body.response),
        )

    def _refresh(self, body: AccountQuestion) -> Deferred[AccountChecks]:
        return self._accounts.refresh(body.account).addCallback(AccountChecks)
