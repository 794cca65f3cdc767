"""The accounts of a running gateway, as its operator sees and changes them.

Logins are imported when there is one: most gateways never have one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from msgspec.structs import replace
from twisted.internet.defer import Deferred, DeferredLock
from zope.interface import implementer

from antigravity.accounts.account_saver import AccountSaver
from antigravity.accounts.account_views import account_list
from antigravity.accounts.files import AccountError, AccountFiles
from antigravity.accounts.lookup import find_account
from antigravity.accounts.masked_label import masked_label
from antigravity.accounts.model_groups import ModelGroups
from antigravity.accounts.records import AccountRecord, credential_id
from antigravity.accounts.registration import RegisteredAccount
from antigravity.accounts.upstreams import UnclearAccountError
from antigravity.app.account_checks import CheckResult, check_account, check_record
from antigravity.app.accounts import AccountServices
from antigravity.app.runtime import Runtime
from antigravity.app.workers import Workers
from antigravity.config.errors import ConfigurationError
from antigravity.config.secret import Secret
from antigravity.config.settings import Settings
from antigravity.deferreds import call_in_thread
from antigravity.interfaces.account_control import (
    AccountChanged,
    AccountCheck,
    AccountList,
    AddedAccount,
    CheckedModel,
    IAccountControl,
    LoginRequest,
    LoginStarted,
    NewAccount,
)
from antigravity.interfaces.transport import IHttpTransport
from antigravity.interfaces.upstreams import Credential
from antigravity.ir.errors import (
    ConflictError,
    GatewayError,
    InvalidRequestError,
    NotFoundError,
    UpstreamCredentialError,
)
from antigravity.logs import make_logger
from antigravity.upstreams.addresses import proxy_of

if TYPE_CHECKING:
    from antigravity.app.account_logins import PendingLogin, PendingLogins

_DISABLED: Final = "disabled by hand"


class AccountsOwner(Protocol):
    """A gateway, as far as its accounts are concerned."""

    accounts: AccountServices
    workers: Workers

    @property
    def transport(self) -> IHttpTransport:
        """What sends requests to upstreams."""

    @property
    def runtime(self) -> Runtime:
        """What was built from the configuration in force."""

    @property
    def accepts_accounts(self) -> bool:
        """Whether accounts can be added: to all but a demo that goes on whatever is configured."""

    @property
    def configured_settings(self) -> Settings:
        """The settings as they are configured, also in a demo."""

    def reload(self) -> Deferred[None]:
        """Read configuration and accounts again; the Deferred fires when they are in force."""


@implementer(IAccountControl)
class AccountControl:
    """The operator's view of the accounts; see :class:`IAccountControl`.

    Files are read and written in a thread, one change at a time.
    """

    log = make_logger()

    def __init__(self, reactor: Any, home: Path, owner: AccountsOwner) -> None:
        self._reactor = reactor
        self._home = home
        self._owner = owner
        self._files = AccountFiles(home)
        self._changing = DeferredLock()

    @cached_property
    def _logins(self) -> PendingLogins:
        from antigravity.app.account_logins import PendingLogins

        return PendingLogins(self._reactor.seconds)

    def accounts(self) -> AccountList:
        """Return all accounts, also those that are disabled."""
        runtime, services = self._owner.runtime, self._owner.accounts
        return account_list(
            runtime.accounts,
            self._owner.workers.add_pools(services.pool.status()),
            services.quotas.quota,
            ModelGroups(runtime.settings.quota.model_groups),
            self._reactor.seconds(),
            time.time(),
        )

    def switch(self, account: str, enabled: bool, reason: str) -> Deferred[AccountChanged]:
        """Enable an account and end its locks, or disable it with ``reason``."""
        change = partial(
            self._files.switch, enabled=enabled, reason=reason or _DISABLED, when=time.time()
        )
        return self._run(self._change, account, change)

    def remove(self, account: str) -> Deferred[AccountChanged]:
        """Remove an account and its file."""
        return self._run(self._change, account, self._remove)

    def refresh(self, account: str) -> Deferred[list[AccountCheck]]:
        """Check one account at its upstream, or all that are in use; fetch quotas."""
        return Deferred.fromCoroutine(self._refresh(account))

    def add(self, new: NewAccount) -> Deferred[AddedAccount]:
        """Add an account, or update the known one with the same secret."""
        record = AccountRecord(
            "", new.kind, Secret(new.secret), new.upstream, new.label, base_url=new.base_url
        )
        return self._run(self._add, record, new.check)

    def login_upstreams(self) -> list[str]:
        """Return the names of the upstreams to which accounts can log in by a browser."""
        from antigravity.upstreams.codeassist.login_target import login_upstreams

        return login_upstreams(self._owner.configured_settings)

    def start_login(self, wanted: LoginRequest) -> LoginStarted:
        """Begin to log in by a browser."""
        from antigravity.app.account_logins import LOGIN_AGE
        from antigravity.oauth.errors import LoginError
        from antigravity.upstreams.codeassist.login_target import login_target

        self._require_accounts()
        try:
            target = login_target(self._owner.configured_settings, wanted.upstream)
        except LoginError as error:
            raise ConflictError(_sentence(error), code="no_login") from None
        login = self._logins.start(target, wanted)
        return LoginStarted(login.id, login.consent.url, target.name, LOGIN_AGE)

    def finish_login(self, identifier: str, response: str) -> Deferred[AddedAccount]:
        """Add the account of a login, with the address at which the browser ended or the code."""
        from antigravity.oauth.authorization_code import code_in_text

        return self._run(self._finish_login, self._logins.find(identifier), response, code_in_text)

    def take_redirect(self, query: str) -> Deferred[AddedAccount]:
        """Add the account of the login that the query of a redirect belongs to."""
        from antigravity.oauth.authorization_code import code_in

        login = self._logins.find_by_redirect(query)
        return self._run(self._finish_login, login, query, code_in)

    # -- changes --------------------------------------------------------------------------

    def _run(self, change: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        """Return a Deferred with the result of a change, once those before it are done."""
        self._require_accounts()
        return self._changing.run(lambda: Deferred.fromCoroutine(change(*arguments)))

    def _require_accounts(self) -> None:
        if not self._owner.accepts_accounts:
            raise ConflictError(
                "The demo has no accounts.  Start the gateway without --demo to add some.",
                code="demo",
            )

    async def _change(self, account: str, change: Callable[[str], AccountRecord]) -> AccountChanged:
        identifier = await self._identify(account)
        record = await self._in_thread(change, identifier)
        if not record.enabled:
            self._stop_using(record)
        return AccountChanged(record.id, await self._reload())

    async def _identify(self, account: str) -> str:
        """Return the id of an account that has a file.

        :raises ConflictError: if it is in the configuration.
        :raises NotFoundError: if it does not exist.
        """
        try:
            record: AccountRecord = await call_in_thread(self._reactor, self._files.find, account)
        except AccountError as error:
            if any(each.id == account for each in self._owner.accounts.in_use.credentials()):
                raise ConflictError(
                    "This credential is in the configuration.  Change it there.",
                    code="account_in_configuration",
                ) from None
            raise NotFoundError(
                _sentence(error), param="account", code="account_not_found"
            ) from None
        return record.id

    def _remove(self, identifier: str) -> AccountRecord:
        """Remove an account's file; return the account as it is from now on."""
        record = self._files.find(identifier)
        self._files.remove(identifier)
        return replace(record, enabled=False)

    def _stop_using(self, record: AccountRecord) -> None:
        """Stop using an account at once, even if the configuration cannot be read now."""
        for credential in list(self._owner.accounts.in_use.credentials()):
            if credential.id == record.id:
                self._owner.runtime.accounts.remove(credential)
        self._owner.accounts.pool.accounts_changed()

    async def _reload(self) -> str:
        """Use the changed files; return why that is not possible now, or ``""``."""
        try:
            await self._owner.reload()
        except (ConfigurationError, OSError) as error:
            return f"The account is saved, but the configuration is not in use: {error}"
        return ""

    # -- new accounts ---------------------------------------------------------------------

    async def _add(self, fresh: AccountRecord, check: bool) -> AddedAccount:
        notes: list[str] = []
        try:
            saver, record = await self._in_thread(self._prepare, fresh, notes)
            result = await self._check_new(record) if check else None
            registered: RegisteredAccount = await self._in_thread(saver.save, record)
        except UnclearAccountError as error:
            raise InvalidRequestError(
                f"{_sentence(error)} Name its upstream, a known one or a new one.",
                param="upstream",
            ) from None
        saved = registered.record
        if not saved.enabled:
            notes.append(f"It stays disabled: {saved.disabled_reason or _DISABLED}.")
        if result is not None and result.error is not None:
            notes.append(f"It was not checked: {result.error.message}")
        if problem := await self._reload():
            notes.append(problem)
        return AddedAccount(
            saved.id,
            saved.upstream,
            masked_label(saved.label),
            registered.outcome,
            None if result is None else result.error is None,
            notes,
        )

    def _prepare(
        self, fresh: AccountRecord, notes: list[str]
    ) -> tuple[AccountSaver, AccountRecord]:
        """Return a new account with its upstream, and what saves it."""
        settings = self._owner.configured_settings
        saver = AccountSaver(self._home, settings, notes.append, with_file=False)
        record = saver.with_upstream(fresh)
        return saver, record

    async def _check_new(self, record: AccountRecord) -> CheckResult:
        """Ask the upstream about a new account.

        :raises InvalidRequestError: if it refuses the account.
        """
        runtime = self._owner.runtime
        named = replace(record, id=credential_id(record.upstream, record.secret.reveal()))
        try:
            result = await check_record(
                self._reactor,
                self._owner.transport,
                self._owner.configured_settings,
                runtime.registry,
                named,
            )
        except ConfigurationError as error:
            raise InvalidRequestError(_sentence(error), param="upstream") from None
        if isinstance(result.error, UpstreamCredentialError):
            reason = result.error.operator_message
            raise InvalidRequestError(
                f"The account is not saved: its upstream refuses it. {reason}",
                param="secret",
                code="credential_refused",
            )
        return result

    async def _finish_login(
        self, login: PendingLogin, response: str, find_code: Callable[..., str]
    ) -> AddedAccount:
        from antigravity.oauth.errors import LoginError
        from antigravity.upstreams.codeassist.consent import redeem
        from antigravity.upstreams.codeassist.login_target import KIND

        target = login.target
        try:
            code = find_code(response, login.consent)
            granted = await redeem(
                self._owner.transport,
                target.oauth,
                login.consent,
                code,
                proxy_of(target.settings, target.name),
            )
        except LoginError as error:
            if error.final:
                self._logins.end(login)
            raise InvalidRequestError(_sentence(error), code="login_failed") from None
        self._logins.end(login)
        label = login.label or granted.email
        record = AccountRecord("", KIND, Secret(granted.refresh_token), target.name, label)
        return await self._add(record, check=False)

    # -- checks ---------------------------------------------------------------------------

    async def _refresh(self, account: str) -> list[AccountCheck]:
        in_use = list(self._owner.accounts.in_use.credentials())
        if not account:
            return [await self._check(each) for each in in_use]
        try:
            return [await self._check(find_account(in_use, account))]
        except NotFoundError:
            self._require_accounts()
            identifier = await self._identify(account)
        record = await self._in_thread(self._files.find, identifier)
        return [await self._check_disabled(replace(record, enabled=True))]

    async def _check(self, credential: Credential) -> AccountCheck:
        """Check an account in use, and store its quota."""
        upstreams = self._owner.runtime.snapshot.router.upstreams
        upstream = next(each for each in upstreams if each.name == credential.upstream)
        fetch = self._owner.accounts.quotas.refresh
        result = await check_account(self._reactor, upstream, credential, fetch)
        return _as_check(credential.id, credential.label, result)

    async def _check_disabled(self, record: AccountRecord) -> AccountCheck:
        owner = self._owner
        try:
            result = await check_record(
                self._reactor,
                owner.transport,
                owner.configured_settings,
                owner.runtime.registry,
                record,
            )
        except (UnclearAccountError, ConfigurationError) as error:
            result = CheckResult(error=GatewayError(_sentence(error)))
        return _as_check(record.id, record.label, result)

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function on files in a thread.

        :raises InvalidRequestError: if it refuses its arguments.
        :raises ConflictError: if a file cannot be read or written.
        """
        try:
            return await call_in_thread(self._reactor, function, *arguments)
        except AccountError as error:
            raise InvalidRequestError(_sentence(error), code="bad_account") from None
        except OSError as error:
            why = error.strerror or "it fails"
            raise ConflictError(
                f"The account file cannot be written: {why}.", code="not_written"
            ) from None


def _as_check(identifier: str, label: str, result: CheckResult) -> AccountCheck:
    error, quota = result.error, result.quota
    check = AccountCheck(
        identifier, masked_label(label), error is None, "" if error is None else error.message
    )
    if quota is None:
        return check
    models = {name: CheckedModel(each.fraction, each.reset) for name, each in quota.models.items()}
    return replace(check, tier=quota.tier, plan=quota.plan, models=models)


def _sentence(error: Exception) -> str:
    """Return the text of an error as a sentence."""
    text = str(error).strip()
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}"
