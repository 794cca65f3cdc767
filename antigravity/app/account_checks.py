"""Checks of accounts at their upstreams, for the gateway and for the commands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from msgspec import Struct
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from antigravity.accounts.credential_store import CredentialStore
from antigravity.accounts.records import AccountRecord
from antigravity.accounts.upstreams import UnclearAccountError, upstream_of
from antigravity.app.build import build_upstreams
from antigravity.config.settings import Settings
from antigravity.interfaces.quota import IQuotaSource, Quota
from antigravity.interfaces.transport import IHttpTransport
from antigravity.interfaces.upstreams import Credential, IUpstream
from antigravity.ir.errors import DeadlineError, GatewayError
from antigravity.plugin_registry import Registry

#: Seconds after which a check fails.
TIMEOUT: Final = 60.0

#: Fetches the quota of an account, and stores it.
Fetch = Callable[[IQuotaSource, Credential], Awaitable[Quota]]


class CheckResult(Struct, frozen=True):
    """What an upstream says of an account: its quota if it reports one, or an error."""

    quota: Quota | None = None
    error: GatewayError | None = None


async def check_account(
    clock: Any,
    upstream: IUpstream,
    credential: Credential,
    fetch: Fetch | None = None,
    timeout: float = TIMEOUT,
) -> CheckResult:
    """Ask an upstream whether an account works.

    :param fetch: fetches a quota; by default it is not stored.
    :param timeout: seconds after which the check fails.
    """
    try:
        if not IQuotaSource.providedBy(upstream):
            await _limited(clock, upstream.models(credential), timeout)
            return CheckResult()
        source: Any = upstream
        if fetch is not None:
            return CheckResult(await fetch(source, credential))
        return CheckResult(await _limited(clock, source.quota(credential), timeout))
    except GatewayError as error:
        return CheckResult(error=error)


async def check_record(
    reactor: Any,
    transport: IHttpTransport,
    settings: Settings,
    registry: Registry,
    record: AccountRecord,
    timeout: float = TIMEOUT,
) -> CheckResult:
    """Ask an upstream whether an account works that the gateway does not use.

    :param timeout: seconds after which the check fails.
    :raises UnclearAccountError: if no upstream can use it.
    """
    store = CredentialStore(settings, [record])
    if record.id in store.unused:
        raise UnclearAccountError(store.unused[record.id])
    name = upstream_of(record, settings.upstreams)
    found = [each for each in store.credentials(name) if each.id == record.id]
    if not found:  # its secret is also in the configuration, under another id
        found = list(store.credentials(name))[:1]
    upstreams = build_upstreams(
        {name: store.upstreams[name]},
        registry,
        transport,
        reactor,
        settings.proxy.request_timeout,
        lambda credential, reason: None,
    )
    return await check_account(reactor, upstreams[name], found[0], timeout=timeout)


def _limited(clock: Any, response: Deferred[Any], timeout: float) -> Deferred[Any]:
    return response.addTimeout(timeout, clock, onTimeoutCancel=_timed_out)


def _timed_out(result: object, timeout: float) -> object:
    """Replace the error of a cancelled check with one that names the reason."""
    if isinstance(result, Failure) and result.check(CancelledError, GatewayError):
        raise DeadlineError(f"no response within {timeout:g} seconds")
    return result
