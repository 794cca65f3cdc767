"""The upstream of each account, and upstreams that exist because of an account.

A secret must never be sent to another provider than its own.  If the upstream of an account is
ambiguous, the account is reported and not used.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from msgspec import structs

from antigravity.accounts.records import AccountRecord
from antigravity.config.errors import Problem
from antigravity.config.secret import Secret
from antigravity.config.settings import Settings, UpstreamSettings

ZAI = "zai"


class UnclearAccountError(Exception):
    """The upstream of an account is ambiguous or does not fit; the text says why."""


def upstream_of(record: AccountRecord, configured: Mapping[str, UpstreamSettings]) -> str:
    """Return the name of an account's upstream, which need not be configured.

    :raises UnclearAccountError: if several upstreams match, or the named one does not fit.
    """
    name = record.upstream or _unnamed(record, configured)
    if name in configured:
        check_fit(record, name, configured[name])
    return name


def check_fit(record: AccountRecord, name: str, upstream: UpstreamSettings) -> None:
    """Check that an account may be used with an upstream.

    :raises UnclearAccountError: if the kind or the address differs.
    """
    if upstream.kind != record.upstream_kind:
        raise UnclearAccountError(
            f"it is of kind {record.kind}, but upstream {name} is of kind {upstream.kind}"
        )
    if record.base_url and not is_at(upstream, record.base_url):
        raise UnclearAccountError(
            f"its base_url {record.base_url} is not an address of upstream {name}"
        )


def is_at(upstream: UpstreamSettings, address: str) -> bool:
    """Return whether ``address`` is one of an upstream's addresses."""
    known = (upstream.base_url, *upstream.base_urls)
    return address.rstrip("/") in {each.rstrip("/") for each in known}


def _unnamed(record: AccountRecord, upstreams: Mapping[str, UpstreamSettings]) -> str:
    if record.kind in upstreams or record.kind == ZAI:
        return record.kind
    of_kind = [
        name
        for name, upstream in upstreams.items()
        if upstream.kind == record.upstream_kind and name != ZAI
    ]
    if len(of_kind) > 1:
        names = ", ".join(of_kind)
        raise UnclearAccountError(f"several upstreams match ({names}): set its upstream to one")
    return of_kind[0] if of_kind else record.kind


def implied_upstreams(
    settings: Settings, records: Iterable[AccountRecord]
) -> dict[str, UpstreamSettings]:
    """Return the upstreams without a table that an account or ``proxy.zai`` implies."""
    implied: dict[str, UpstreamSettings] = {}
    zai = settings.proxy.zai
    if zai.enabled and zai.dispatch_mode != "off" and ZAI not in settings.upstreams:
        implied[ZAI] = _zai(settings)
    for record in records:
        if not record.enabled:
            continue
        try:
            name = upstream_of(record, settings.upstreams)
        except UnclearAccountError:
            continue
        if name in settings.upstreams or name in implied:
            continue
        if record.kind == ZAI:
            fresh = _zai(settings)
        else:
            fresh = UpstreamSettings(kind=record.upstream_kind)
        implied[name] = (
            structs.replace(fresh, base_url=record.base_url) if record.base_url else fresh
        )
    return implied


def _zai(settings: Settings) -> UpstreamSettings:
    """Return z.ai as an upstream.

    It requires Bearer authentication, and its plans are restricted to certain clients.
    """
    zai = settings.proxy.zai
    return UpstreamSettings(
        kind="anthropic",
        base_url=zai.base_url,
        api_key=zai.api_key if zai.enabled else Secret(),
        auth="bearer",
        quirks=["client_user_agent"],
    )


def all_upstreams(
    settings: Settings, records: Collection[AccountRecord]
) -> dict[str, UpstreamSettings]:
    """Return the configured upstreams and the implied ones."""
    return {**settings.upstreams, **implied_upstreams(settings, records)}


def account_problem(record: AccountRecord, reason: str) -> Problem:
    """Return a warning that an account is not used."""
    return Problem(f"account {record.id} is not used: {reason}", severity="warning")
