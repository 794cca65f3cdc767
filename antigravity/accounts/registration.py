"""Registration of accounts: whether one is known already, and how it changes.  Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable
from typing import Final, Literal

from msgspec import Struct, structs

from antigravity.accounts.records import ACCOUNT_KINDS, AccountRecord, credential_id

#: The longest part of an id that comes from a label, and the most accounts with the same one.
_LONGEST_SLUG: Final = 40
_MOST_ALIKE: Final = 100

Outcome = Literal["added", "updated", "unchanged"]


class RegisteredAccount(Struct, frozen=True):
    """The account to save, and whether it was added, updated or unchanged."""

    record: AccountRecord
    outcome: Outcome
    enabled_again: bool = False


def register_account(
    fresh: AccountRecord, known: Iterable[AccountRecord], now: float
) -> RegisteredAccount:
    """Return the account to save for ``fresh``, which names its upstream and has no id.

    A known account keeps its id, and all fields that ``fresh`` does not set.  A new secret enables
    a disabled account again; the old secret does not.
    """
    known = tuple(known)
    before = find_registered(fresh, known)
    if before is None:
        identifier = new_id(fresh, {each.id for each in known})
        return RegisteredAccount(
            structs.replace(fresh, id=identifier, created=fresh.created or now), "added"
        )
    after = structs.replace(
        before,
        kind=fresh.kind,
        secret=fresh.secret,
        upstream=fresh.upstream,
        label=fresh.label or before.label,
        base_url=fresh.base_url or before.base_url,
        extra={**before.extra, **fresh.extra},
    )
    renewed = after.secret != before.secret and not before.enabled
    if renewed:
        after = structs.replace(after, enabled=True, disabled_reason="", disabled_at=0.0)
    return RegisteredAccount(after, "unchanged" if after == before else "updated", renewed)


def new_id(fresh: AccountRecord, taken: Collection[str]) -> str:
    """Return an id for a new account: its upstream and its label, in the letters of file names.

    Ids are in logs and metrics, so that an account whose label is an e-mail address, or that has
    none, gets one that is derived from its secret.
    """
    derived = credential_id(fresh.upstream, fresh.secret.reveal())
    plain = unicodedata.normalize("NFKD", fresh.label).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_LONGEST_SLUG].rstrip("-")
    if not slug or "@" in fresh.label:
        return derived
    name = f"{fresh.upstream}-{slug}"
    folded = {each.casefold() for each in taken}  # some file systems ignore case
    for identifier in (name, *(f"{name}-{n}" for n in range(2, _MOST_ALIKE))):
        if identifier.casefold() not in folded:
            return identifier
    return derived


def find_registered(fresh: AccountRecord, known: Iterable[AccountRecord]) -> AccountRecord | None:
    """Return the known account with the same secret, id or e-mail address, if there is one.

    An e-mail address identifies an account only with OAuth, where the provider confirms it.  The
    label of a key is any text, which two keys can share.
    """
    same = [each for each in known if _upstream(each) == fresh.upstream]
    identifier = credential_id(fresh.upstream, fresh.secret.reveal())
    address = fresh.label.casefold() if is_oauth(fresh.kind) and "@" in fresh.label else None
    for matches in (
        [each for each in same if each.secret == fresh.secret],
        [each for each in same if each.id == identifier],
        [each for each in same if is_oauth(each.kind) and each.label.casefold() == address],
    ):
        if matches:
            return matches[0]
    return None


def is_oauth(kind: str) -> bool:
    """Return whether accounts of a kind are logins rather than keys."""
    known = ACCOUNT_KINDS.get(kind)
    return known is not None and known.oauth


def _upstream(record: AccountRecord) -> str:
    return record.upstream or record.kind
