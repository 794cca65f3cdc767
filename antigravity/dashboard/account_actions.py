"""What the page of the accounts can change; each is a request of the admin API, too."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from antigravity.config.network import is_loopback
from antigravity.dashboard.account_forms import add_page, login_page
from antigravity.dashboard.context import Page, PageContext
from antigravity.dashboard.sessions import Notice
from antigravity.dashboard.texts import text
from antigravity.interfaces.account_control import (
    AccountCheck,
    AddedAccount,
    IAccountControl,
    LoginRequest,
    NewAccount,
)
from antigravity.ir.errors import GatewayError, InvalidRequestError, NotFoundError
from antigravity.web.authentication import DASHBOARD_PATH

ACCOUNTS: Final = f"{DASHBOARD_PATH}/accounts"
#: Where the browser returns after a login at a provider.
LOGGED_IN: Final = f"{DASHBOARD_PATH}/logged-in"
#: Results of several accounts that a notice names.
_MOST_NAMED: Final = 5


async def switch(context: PageContext, account: str, *, enabled: bool) -> None:
    """Enable an account, or disable it with the reason of the form."""
    reason = context.form.get("reason", "")[:200]
    done = await _control(context).switch(account, enabled, reason)
    name = "accounts.enabled_now" if enabled else "accounts.disabled_now"
    _tell(context, text(name, account=done.account), done.problem)


async def enable(context: PageContext, account: str) -> None:
    """Enable an account."""
    await switch(context, account, enabled=True)


async def disable(context: PageContext, account: str) -> None:
    """Disable an account."""
    await switch(context, account, enabled=False)


async def remove(context: PageContext, account: str) -> None:
    """Remove an account, which the owner has confirmed."""
    done = await _control(context).remove(account)
    _tell(context, text("accounts.removed_now", account=done.account), done.problem)


async def unlock(context: PageContext, account: str) -> None:
    """End the locks of an account, for the model of the form or for all."""
    done = context.administration.unlock_account(account, context.form.get("model", ""))
    _tell(context, text("accounts.unlocked", number=done.unlocked))


async def refresh(context: PageContext, account: str = "") -> None:
    """Check an account, or all in use, and fetch quotas."""
    checks = await _control(context).refresh(account)
    failed = [each for each in checks if not each.works]
    works = text("accounts.works_now", number=len(checks) - len(failed), total=len(checks))
    _tell(context, works, "  ".join(map(_failure, failed[:_MOST_NAMED])))


async def warm_up(context: PageContext, account: str) -> None:
    """Start the periods of an account's quotas."""
    report = await context.administration.warm_up(account, "", "")
    results = report.results
    warmed = sum(each.state == "warmed" for each in results)
    others = [f"{each.model}: {each.reason}" for each in results if each.state != "warmed"]
    said = text("accounts.warmed_now", number=warmed, total=len(results))
    if others:
        said = f"{said}  {'; '.join(others[:_MOST_NAMED])}"
    _tell(context, said, "" if report.success else text("accounts.warmup_failed"))


async def fix(context: PageContext) -> None:
    """Use one account for every request that it can serve, or the policy again."""
    account = context.form.get("account", "")
    known = {each.id for each in _control(context).accounts().accounts}
    if account and account not in known:
        raise NotFoundError(f"The account {account[:100]!r} does not exist.")
    context.administration.fix_account(account or None)
    _tell(context, text("accounts.fixed_now" if account else "accounts.automatic_now"))


async def add(context: PageContext) -> Page | None:
    """Add an account with a key or a token; show the form again if that is not possible."""
    form = context.form
    new = NewAccount(
        form.get("kind", ""),
        form.get("secret", ""),
        form.get("label", "").strip(),
        form.get("upstream", "").strip(),
        form.get("base_url", "").strip(),
        check=form.get("unchecked", "") != "yes",
    )
    try:
        added = await _control(context).add(new)
    except InvalidRequestError as error:
        return add_page(context, new, error)
    _tell_added(context, added)
    return None


async def log_in(context: PageContext) -> Page:
    """Begin to log in by a browser, and show how to continue."""
    wanted = LoginRequest(
        redirect_address(context.url),
        context.form.get("upstream", ""),
        context.form.get("label", "").strip(),
    )
    try:
        started = _control(context).start_login(wanted)
    except GatewayError as error:
        return add_page(context, None, error)
    return login_page(started.id, started.url)


async def finish_login(context: PageContext, login: str) -> Page | None:
    """Add the account of a login whose address was pasted."""
    try:
        added = await _control(context).finish_login(login, context.form.get("response", ""))
    except InvalidRequestError as error:
        return login_page(login, "", error)
    _tell_added(context, added)
    return None


def redirect_address(url: str) -> str:
    """Return where a browser returns after a login: providers accept loopback only."""
    parts = urlsplit(url)
    if is_loopback(parts.hostname or ""):
        return f"{parts.scheme}://{parts.netloc}{LOGGED_IN}"
    try:
        port = parts.port or 80
    except ValueError:  # browsers send no such port
        port = 80
    return f"http://127.0.0.1:{port}{LOGGED_IN}"


def _control(context: PageContext) -> IAccountControl:
    control: IAccountControl = context.administration.accounts
    return control


def _tell(context: PageContext, done: str, problem: str = "") -> None:
    said = f"{done}  {problem}" if problem else done
    context.session.notice = Notice(said, bool(problem))


def _tell_added(context: PageContext, added: AddedAccount) -> None:
    name = f"accounts.{added.outcome}_now"
    done = text(name, account=added.label or added.account, upstream=added.upstream)
    if added.works:
        done = f"{done}  {text('accounts.checked')}"
    _tell(context, done, "  ".join(added.notes))


def _failure(check: AccountCheck) -> str:
    return text("accounts.fails_now", account=check.label or check.account, reason=check.error)


async def change(context: PageContext, account: str, action: str) -> None:
    """Change one account as the last part of the path says.

    :raises NotFoundError: if there is no such change.
    """
    found = _ACTIONS.get(action)
    if found is None:
        raise NotFoundError("There is no such change of accounts.")
    await found(context, account)


#: The changes of one account by the last part of their paths.
_ACTIONS: Final[Mapping[str, Callable[[PageContext, str], Coroutine[Any, Any, None]]]] = {
    "enable": enable,
    "disable": disable,
    "refresh": refresh,
    "unlock": unlock,
    "warm-up": warm_up,
}
