"""Accounts as their operator sees them."""

from __future__ import annotations

from typing import Any

from antigravity.accounts.account_views import account_list
from antigravity.accounts.credential_store import CredentialStore
from antigravity.accounts.model_groups import ModelGroups
from antigravity.accounts.records import AccountRecord
from antigravity.config.secret import Secret
from antigravity.config.settings import Settings, UpstreamSettings
from antigravity.interfaces.account_control import AccountList, AccountLock, AccountQuota
from antigravity.interfaces.quota import ModelQuota, Quota
from antigravity.interfaces.status import (
    AccountStatus,
    LockStatus,
    PoolStatus,
    ProtectedQuota,
    QueueState,
)


def record(name: str, upstream: str = "one", **values: Any) -> AccountRecord:
    return AccountRecord(name, "openai", Secret(f"key-{name}"), upstream, **values)


def status(*accounts: str, **values: Any) -> PoolStatus:
    """Return the status of a pool whose accounts belong to the upstream ``one``."""
    base: dict[str, Any] = {
        "mode": "Balance",
        "fixed": None,
        "running": 0,
        "queue": QueueState(0, 0),
        "locks": [],
        "protected": [],
        "accounts": [AccountStatus(name, "one", "", 0, None, 0) for name in accounts],
        "bindings": 0,
    }
    return PoolStatus(**{**base, **values})


def lock(account: str | None, model: str | None = None, page: str | None = None) -> LockStatus:
    return LockStatus("one", account, model, "quota", 5.0, True, page)


def views(
    *records: AccountRecord, quotas: dict[str, Quota] | None = None, **values: Any
) -> AccountList:
    upstreams = {"one": UpstreamSettings("openai"), "off": UpstreamSettings("openai")}
    upstreams["off"] = UpstreamSettings("openai", enabled=False)
    store = CredentialStore(Settings(upstreams=upstreams), records)
    used = [each.id for each in store.credentials("one")]
    pool, groups = status(*used, **values), ModelGroups({})
    return account_list(store, pool, (quotas or {}).get, groups, 10.0, 1000.0)


def test_states_follow_from_locks_and_requests() -> None:
    locks = [lock("b", model="m"), lock("c", page="https://example.org")]
    shown = views(record("a"), record("b"), record("c"), locks=locks, fixed="a").accounts
    assert [each.state for each in shown] == ["ready", "limited", "locked"]
    assert shown[1].locks == [AccountLock("m", "quota", 5.0)]
    assert shown[2].locks == [AccountLock("", "quota", 5.0, "https://example.org")]
    assert [each.is_fixed for each in shown] == [True, False, False]


def test_lock_of_upstream_applies_to_its_accounts() -> None:
    (shown,) = views(record("a"), locks=[lock(None)]).accounts
    assert shown.state == "locked"


def test_accounts_that_serve_nothing_say_why() -> None:
    found = views(
        record("a"),
        record("b", enabled=False, disabled_reason="revoked", disabled_at=900.0),
        record("c", enabled=False),
        record("d", upstream="off"),
        record("e", base_url="https://elsewhere.example.org"),
    ).accounts
    assert [(each.id, each.state) for each in found] == [
        ("a", "ready"),
        ("b", "disabled"),
        ("c", "disabled"),
        ("d", "unused"),
        ("e", "unused"),
    ]
    assert (found[1].why, found[1].disabled_at) == ("revoked", 900.0)
    assert found[2].why == "by its owner"
    assert "off is switched off" in found[3].why
    assert "not an address of upstream one" in found[4].why


def test_labels_hide_addresses_also_of_disabled_accounts() -> None:
    (shown,) = views(record("a", label="somebody@example.org", enabled=False)).accounts
    assert shown.label == "so***@example.org"


def test_quotas_are_shown_by_group_with_the_most_that_a_member_has_left() -> None:
    models = {
        "claude-a": ModelQuota(0.2, 1060.0),
        "claude-b": ModelQuota(0.4, 1120.0),
        "other": ModelQuota(0.1, None),
        "reset": ModelQuota(0.0, 999.0),
    }
    quota = Quota(fetched=970.0, tier="PRO", plan="Pro", models=models)
    reserve = ProtectedQuota("one", "a", "claude", 0.4, 0.5, 120.0)
    (shown,) = views(record("a"), quotas={"a": quota}, protected=[reserve]).accounts
    assert (shown.tier, shown.plan, shown.quota_age) == ("PRO", "Pro", 30.0)
    assert shown.quotas == [
        AccountQuota("other", ["other"], 0.1, None),
        AccountQuota("claude", ["claude-a", "claude-b"], 0.4, 120.0, True),
    ]


def test_credential_of_configuration_is_no_file() -> None:
    upstream = UpstreamSettings("openai", api_key=Secret("sk"))
    store = CredentialStore(Settings(upstreams={"one": upstream}))
    (credential,) = store.credentials("one")
    found = account_list(
        store, status(credential.id), lambda name: None, ModelGroups({}), 10.0, 1000.0
    )
    assert [(each.is_file, each.kind) for each in found.accounts] == [(False, "openai")]
