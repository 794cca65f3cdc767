"""A registered account keeps its identity, and is enabled again only by a new secret."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from antigravity.accounts.records import AccountRecord, credential_id
from antigravity.accounts.registration import register_account
from antigravity.config.secret import Secret


def fresh(secret: str, kind: str = "codeassist", **fields: Any) -> AccountRecord:
    return AccountRecord("", kind, Secret(secret), **{"upstream": kind, **fields})


def known(secret: str, kind: str = "codeassist", **fields: Any) -> AccountRecord:
    return register_account(fresh(secret, kind, **fields), [], 10.0).record


def test_new_account_gets_id_and_time() -> None:
    enrolled = register_account(fresh("1//one", label="me@x"), [known("1//two")], 5.0)
    assert enrolled.outcome == "added"
    assert enrolled.record.id == credential_id("codeassist", "1//one")
    assert enrolled.record.created == 5.0


def test_new_token_of_same_user_replaces_old_one_and_enables() -> None:
    dead = structs.replace(
        known("1//one", label="Me@x", extra={"project": "p", "future": 1}),
        enabled=False,
        disabled_reason="revoked",
        disabled_at=7.0,
    )
    enrolled = register_account(fresh("1//two", label="me@x"), [known("1//three"), dead], 5.0)
    record = enrolled.record
    assert (enrolled.outcome, enrolled.enabled_again, record.id) == ("updated", True, dead.id)
    assert (record.secret, record.created, record.extra) == (Secret("1//two"), 10.0, dead.extra)
    assert (record.enabled, record.disabled_reason, record.disabled_at) == (True, "", 0.0)


def test_same_token_changes_nothing() -> None:
    dead = structs.replace(known("1//one"), enabled=False, disabled_reason="revoked")
    enrolled = register_account(fresh("1//one"), [dead], 5.0)
    assert (enrolled.record, enrolled.outcome, enrolled.enabled_again) == (dead, "unchanged", False)
    labelled = register_account(fresh("1//one", label="me"), [dead], 5.0)
    assert (labelled.outcome, labelled.record.enabled) == ("updated", False)


def test_first_token_identifies_the_account_again() -> None:
    first = known("1//one", label="me@x")
    second = register_account(fresh("1//two", label="me@x"), [first], 5.0).record
    again = register_account(fresh("1//one"), [second], 5.0)
    assert (again.record.id, again.record.label) == (first.id, "me@x")


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (known("k1", "openai", label="me@x"), fresh("k2", "openai", label="me@x")),
        (known("1//1", label="home"), fresh("1//2", label="home")),
        (known("1//1"), fresh("1//2")),
        (known("1//1", label="me@x"), fresh("1//1", upstream="other", label="me@x")),
    ],
    ids=["keys", "labels", "none", "upstreams"],
)
def test_different_accounts_are_not_merged(one: AccountRecord, two: AccountRecord) -> None:
    enrolled = register_account(two, [one], 5.0)
    assert enrolled.outcome == "added"
    assert enrolled.record.id != one.id
