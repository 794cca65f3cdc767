"""Observers are notified of each change of an account once."""

from __future__ import annotations

from typing import Any

from antigravity.accounts.account_events import AccountEvents
from antigravity.interfaces.accounts import AccountChange
from antigravity.interfaces.selection import Protection
from antigravity.interfaces.upstreams import Credential
from antigravity.ir.errors import (
    OverloadedError,
    RateLimitedError,
    UpstreamCredentialError,
    UpstreamError,
)
from tests.accounts.pool_fixture import BEGINNING, FLASH, PRO, PoolFixture, Source


class Watched:
    """A pool whose changes are written down."""

    def __init__(self, *accounts: str, **settings: Any) -> None:
        self.protections: dict[str, list[Protection]] = {}
        self.events = AccountEvents(lambda credential: self.protections.get(credential.id, []))
        self.changes: list[AccountChange] = []
        self.events.notify = self.changes.append
        self.kit = PoolFixture(accounts, events=self.events, **settings)
        self.kit.reload(**settings)

    def told(self) -> list[AccountChange]:
        changes, self.changes[:] = list(self.changes), []
        return changes


def test_initial_accounts_are_not_reported() -> None:
    assert Watched("a", "b").told() == []


def test_lock_is_reported_once_and_again_if_longer() -> None:
    watched = Watched("a")
    leases = [watched.kit.take() for _ in range(3)]
    for lease, delay in zip(leases, (30.0, 20.0, 50.0), strict=True):
        lease.failed(RateLimitedError("slow", retry_after=delay))
    first, longer = watched.told()
    assert first == AccountChange("locked", "google", "a", PRO.model, "rate", BEGINNING + 30)
    assert longer.until == BEGINNING + 50
    watched.kit.clock.advance(50.0)
    watched.kit.take().succeeded()
    assert watched.told() == []


def test_lock_names_account_or_model() -> None:
    watched = Watched("a", "b", max_concurrency=1)
    one, two = watched.kit.take(), watched.kit.take()
    one.failed(UpstreamCredentialError("gone", code="invalid_grant"))
    two.failed(OverloadedError("full", code="model_capacity_exhausted", retry_after=5.0))
    revoked, full = watched.told()
    name = one.credential.id
    assert revoked == AccountChange("locked", "google", name, "", "revoked", None)
    assert (full.account, full.model, full.reason) == ("", PRO.model, "capacity")


def test_end_of_estimated_lock_is_reported() -> None:
    watched = Watched("a")
    watched.kit.take("", FLASH).failed(UpstreamError("broken", upstream_status=500))
    watched.kit.take("", FLASH).succeeded()
    assert [change.state for change in watched.told()] == ["locked", "unlocked"]


def test_unlock_is_reported() -> None:
    watched = Watched("a")
    watched.kit.take().failed(RateLimitedError("slow", retry_after=30.0))
    watched.told()
    watched.kit.pool.unlock("a")
    watched.kit.pool.unlock("a")
    assert watched.told() == [AccountChange("unlocked", "google", "a")]


def test_added_and_removed_accounts_are_reported() -> None:
    watched = Watched("a", "b")
    watched.kit.reload(Source(google=["b", "c"], zai=["z"]))
    assert watched.told() == [
        AccountChange("disabled", "google", "a"),
        AccountChange("enabled", "google", "c"),
        AccountChange("enabled", "zai", "z"),
    ]
    watched.kit.reload(Source(google=["b", "c"], zai=["z"]))
    assert watched.told() == []


def test_disabled_account_is_reported_once_with_reason() -> None:
    watched = Watched("a", "b")
    watched.kit.pool.account_disabled(Credential("a", "google", "secret-a"), "revoked")
    watched.kit.reload(Source(google=["b"]))
    assert watched.told() == [AccountChange("disabled", "google", "a", reason="revoked")]
    watched.kit.reload(Source(google=["a", "b"]))
    assert watched.told() == [AccountChange("enabled", "google", "a")]


def test_protections_are_reported() -> None:
    watched = Watched("a", "b")
    until = BEGINNING + 900
    watched.protections["a"] = [Protection("gemini-pro", 0.05, 0.1, until)]
    watched.kit.pool.accounts_changed()
    watched.kit.pool.accounts_changed()
    assert watched.told() == [
        AccountChange("protected", "google", "a", "gemini-pro", "quota", until)
    ]
    watched.protections.clear()
    watched.kit.pool.accounts_changed()
    assert watched.told() == [AccountChange("unprotected", "google", "a", "gemini-pro")]


def test_changes_have_no_secret_and_no_address() -> None:
    watched = Watched("a")
    watched.kit.take().failed(UpstreamCredentialError("no", upstream_status=401))
    (change,) = watched.told()
    assert "secret" not in repr(change)
    assert "mail.de" not in repr(change)
