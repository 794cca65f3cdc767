"""Every upstream gets its own credentials, each in turn, and never another's."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from antigravity.accounts.credential_store import CredentialStore
from antigravity.accounts.records import AccountRecord
from antigravity.accounts.upstreams import implied_upstreams
from antigravity.config.secret import Secret
from antigravity.config.settings import Settings
from antigravity.config.validation import decode_secret
from antigravity.interfaces.accounts import ICredentialSource


def settings(**tables: Any) -> Settings:
    return msgspec.convert(tables, Settings, dec_hook=decode_secret)


def upstreams(**tables: Any) -> Settings:
    return settings(upstreams=tables)


def account(kind: str, secret: str = "s", **fields: Any) -> AccountRecord:
    return AccountRecord(f"{kind}-{secret}", kind, Secret(secret), **fields)


def secrets(credential_store: CredentialStore, upstream: str) -> list[str]:
    return [credential.secret for credential in credential_store.credentials(upstream)]


def test_all_keys_of_the_configuration_are_credentials() -> None:
    credential_store = CredentialStore(
        upstreams(
            a={"kind": "openai", "api_key": "1", "api_keys": ["2", "1", ""]},
            g={
                "kind": "codeassist",
                "refresh_token": "r",
                "project": "p",
                "oauth": {"client_id": "c"},
            },
            off={"kind": "openai", "api_key": "3", "enabled": False},
        )
    )
    verifyObject(ICredentialSource, credential_store)
    assert secrets(credential_store, "a") == ["1", "2"]
    (google,) = credential_store.credentials("g")
    assert (google.secret, google.upstream, google.extra) == ("r", "g", {"project": "p"})
    assert "r" not in repr(google).split()
    assert not credential_store.credentials("off")
    assert not credential_store.credentials("none")
    assert credential_store.next_credential("none") is None
    assert credential_store.problems == ()
    assert list(credential_store.upstreams) == ["a", "g"]


def test_credentials_take_turns() -> None:
    credential_store = CredentialStore(upstreams(a={"kind": "openai", "api_keys": ["1", "2", "3"]}))
    ids = [credential.id for credential in credential_store.credentials("a")]
    turns = [credential_store.next_credential("a") for _ in range(6)]
    assert [turn.id for turn in turns if turn] == ids * 2
    first = credential_store.next_credential("a", {ids[0]})
    then = credential_store.next_credential("a")
    assert first is not None
    assert then is not None
    assert [first.id, then.id] == ids[1:]
    assert credential_store.next_credential("a", set(ids)) is None


@given(st.integers(1, 6), st.lists(st.sets(st.integers(0, 5)), max_size=40))
def test_next_credential_is_not_excluded(count: int, excluded: list[set[int]]) -> None:
    keys = [str(number) for number in range(count)]
    credential_store = CredentialStore(upstreams(a={"kind": "openai", "api_keys": keys}))
    ids = [credential.id for credential in credential_store.credentials("a")]
    for numbers in excluded:
        exclude = {ids[number] for number in numbers if number < count}
        lease = credential_store.next_credential("a", exclude)
        assert (lease is None) == (exclude == set(ids))
        assert lease is None or lease.id not in exclude


def test_account_implies_its_upstream() -> None:
    records = [
        account("gemini_api", "1", label="me", extra={"project": "p", "n": 1}),
        account("zai", "2"),
        account("openai", "3", upstream="deep", base_url="https://deep.example/v1"),
        account("anthropic", "4", enabled=False),
    ]
    implied = implied_upstreams(Settings(), records)
    assert list(implied) == ["gemini_api", "zai", "deep"]
    assert implied["gemini_api"].base_url == ""
    zai = implied["zai"]
    assert (zai.kind, zai.base_url, zai.auth) == (
        "anthropic",
        "https://api.z.ai/api/anthropic",
        "bearer",
    )
    assert implied["deep"].base_url == "https://deep.example/v1"
    credential_store = CredentialStore(Settings(), records)
    (credential,) = credential_store.credentials("gemini_api")
    assert (credential.label, credential.extra) == ("me", {"project": "p"})
    assert secrets(credential_store, "deep") == ["3"]
    assert not credential_store.credentials("anthropic")


def test_account_uses_configured_upstream_of_its_kind() -> None:
    configured = upstreams(deep={"kind": "openai", "base_url": "https://d", "api_key": "1"})
    records = [account("openai", "2"), account("openai", "1")]
    assert implied_upstreams(configured, records) == {}
    credential_store = CredentialStore(configured, records)
    assert secrets(credential_store, "deep") == ["1", "2"]
    assert [credential.id for credential in credential_store.credentials("deep")] == [
        "openai-1",
        "openai-2",
    ]


@pytest.mark.parametrize(
    ("tables", "record"),
    [
        ({"a": {"kind": "openai"}, "b": {"kind": "openai"}}, account("openai")),
        ({"a": {"kind": "anthropic"}}, account("openai", upstream="a")),
        (
            {"a": {"kind": "openai", "base_url": "https://a"}},
            account("openai", upstream="a", base_url="https://b"),
        ),
    ],
)
def test_ambiguous_account_is_not_used(tables: dict[str, Any], record: AccountRecord) -> None:
    credential_store = CredentialStore(upstreams(**tables), [record])
    assert not any(credential_store.credentials(name) for name in credential_store.upstreams)
    assert implied_upstreams(upstreams(**tables), [record]) == {}
    assert record.id in str(credential_store.problems[0])


def test_keys_of_anthropic_and_zai_are_not_mixed() -> None:
    configured = upstreams(zai={"kind": "anthropic", "base_url": "https://api.z.ai/api/anthropic"})
    records = [account("anthropic", "a"), account("zai", "z")]
    credential_store = CredentialStore(configured, records)
    assert (secrets(credential_store, "anthropic"), secrets(credential_store, "zai")) == (
        ["a"],
        ["z"],
    )
    merged = msgspec.structs.replace(configured, upstreams=credential_store.upstreams)
    again = CredentialStore(merged, records)
    assert (secrets(again, "anthropic"), secrets(again, "zai")) == (["a"], ["z"])
    assert implied_upstreams(merged, records) == {}


def test_other_accounts_do_not_make_an_account_ambiguous() -> None:
    configured = upstreams(deep={"kind": "openai"})
    records = [account("openai", "1"), account("openai", "2", upstream="other")]
    credential_store = CredentialStore(configured, records)
    assert (secrets(credential_store, "deep"), secrets(credential_store, "other")) == (["1"], ["2"])


def test_accounts_with_two_addresses_are_not_mixed() -> None:
    records = [
        account("openai", "1", upstream="x", base_url="https://a"),
        account("openai", "2", upstream="x", base_url="https://b"),
    ]
    credential_store = CredentialStore(Settings(), records)
    assert secrets(credential_store, "x") == ["1"]
    assert "openai-2" in str(credential_store.problems[0])


@pytest.mark.parametrize(
    ("table", "names"),
    [
        ({"enabled": True, "dispatch_mode": "fallback", "api_key": "k"}, ["zai"]),
        ({"enabled": True, "dispatch_mode": "off", "api_key": "k"}, []),
        ({"enabled": False, "dispatch_mode": "pooled", "api_key": "k"}, []),
    ],
)
def test_zai_settings_imply_an_upstream(table: dict[str, Any], names: list[str]) -> None:
    configured = settings(proxy={"zai": table})
    assert list(implied_upstreams(configured, [])) == names
    assert secrets(CredentialStore(configured), "zai") == ["k"] * len(names)


def test_zai_table_replaces_the_implied_upstream() -> None:
    configured = settings(
        proxy={"zai": {"enabled": True, "dispatch_mode": "pooled", "api_key": "k"}},
        upstreams={"zai": {"kind": "anthropic", "api_key": "own"}},
    )
    assert implied_upstreams(configured, []) == {}
    assert secrets(CredentialStore(configured), "zai") == ["own"]


def test_incomplete_upstream_is_reported() -> None:
    credential_store = CredentialStore(
        upstreams(a={"kind": "openai"}, g={"kind": "codeassist", "refresh_token": "r"})
    )
    assert {problem.key: problem.severity for problem in credential_store.problems} == {
        "upstreams.a": "warning",
        "upstreams.g.oauth.client_id": "warning",
    }


def test_credential_settings_by_kind() -> None:
    keys = {"api_key": "k", "api_keys": ["l"], "refresh_token": "r"}
    kinds = ("openai", "codeassist", "mine")
    credential_store = CredentialStore(
        upstreams(**{kind: {"kind": kind, **keys} for kind in kinds})
    )
    assert [sorted(secrets(credential_store, kind)) for kind in kinds] == [
        ["k", "l"],
        ["r"],
        ["k", "l", "r"],
    ]


def test_disabled_upstreams_and_accounts_are_not_used() -> None:
    configured = upstreams(deep={"kind": "openai", "api_key": "1"})
    credential_store = CredentialStore(configured, [account("openai", "2", enabled=False)])
    assert secrets(credential_store, "deep") == ["1"]
    zai = settings(proxy={"zai": {"enabled": False, "api_key": "k"}})
    assert secrets(CredentialStore(zai, [account("zai", "a")]), "zai") == ["a"]


@pytest.mark.parametrize("form", [" {}\n", "Bearer {}", '"{}"', "\ufeffBearer '{}'\u200b"])
def test_credential_is_stripped(form: str) -> None:
    given = form.format("sk-1")
    table = {"kind": "openai", "api_key": given, "api_keys": [f"{given} "]}
    credential_store = CredentialStore(upstreams(a=table), [account("anthropic", given)])
    assert secrets(credential_store, "a") == ["sk-1"]
    assert secrets(credential_store, "anthropic") == ["sk-1"]
