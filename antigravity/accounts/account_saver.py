"""Save new accounts, after a check that an upstream can use them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import structs

from antigravity.accounts.credential_store import CredentialStore
from antigravity.accounts.files import AccountError, AccountFiles
from antigravity.accounts.records import ACCOUNT_KINDS, AccountRecord
from antigravity.accounts.registration import RegisteredAccount, register_account
from antigravity.accounts.upstreams import all_upstreams, check_fit, is_at, upstream_of
from antigravity.config.addresses import address_problem
from antigravity.config.checks import name_problem
from antigravity.config.errors import Problem
from antigravity.config.home import FILE_NAME, prepare_home
from antigravity.config.keys import KeyFormatError, clean_key
from antigravity.config.secret import Secret
from antigravity.config.settings import Settings, UpstreamSettings
from antigravity.config.spelling import closest


class AccountSaver:
    """A writer of accounts to a home directory, which is created with the first one.

    It reads and writes files, so a gateway calls it in a thread.

    :param with_file: whether a new home gets a configuration file; false if it is elsewhere.
    :param note: called with what the user should know, such as what was ignored.
    """

    def __init__(
        self,
        home: Path,
        settings: Settings,
        note: Callable[[str], object],
        *,
        with_file: bool = True,
    ) -> None:
        self._home = home
        self._settings = settings
        self._note = note
        self._with_file = with_file
        self._files = AccountFiles(home)
        self._records = {record.id: record for record in self._files.load()[0]}
        self._prepared = False

    def with_upstream(self, fresh: AccountRecord) -> AccountRecord:
        """Return ``fresh`` with the name of its upstream and a cleaned secret.

        :raises AccountError: if no upstream can use it.
        :raises UnclearAccountError: if it is not clear which upstream it is for.
        """
        upstreams = self._settings.upstreams
        check_kind(fresh.kind, upstreams)
        fresh = structs.replace(fresh, secret=self._cleaned(fresh))
        if fresh.base_url and (problem := address_problem(fresh.base_url)):
            raise AccountError(f"base_url: {problem}")
        if fresh.base_url and not fresh.upstream:
            known = all_upstreams(self._settings, self.known())
            fresh = structs.replace(fresh, upstream=_upstream_at(fresh, known))
        name = upstream_of(fresh, upstreams)
        if problem := name_problem(name):
            raise AccountError(f"upstream: {problem}")
        return structs.replace(fresh, upstream=name)

    def save(self, fresh: AccountRecord) -> RegisteredAccount:
        """Save an account with its upstream, or update a known account.

        :raises AccountError: if it cannot be saved.
        :raises UnclearAccountError: if the other accounts of its upstream have another address.
        """
        registered = register_account(fresh, self._records.values(), time.time())
        record = registered.record
        others = [other for other in self._records.values() if other.id != record.id]
        existing = all_upstreams(self._settings, others).get(record.upstream)
        if existing is not None:
            check_fit(record, record.upstream, existing)
        if registered.outcome == "unchanged":
            self._files.touch(record.id)
        else:
            self._prepare()
            self._files.save(record)
            self._records[record.id] = record
        return registered

    def known(self) -> tuple[AccountRecord, ...]:
        """Return all accounts."""
        return tuple(self._records.values())

    def problems(self, upstream: str) -> list[Problem]:
        """Return the problems of an upstream."""
        found = CredentialStore(self._settings, self.known()).problems
        return [problem for problem in found if problem.key.startswith(f"upstreams.{upstream}.")]

    def _prepare(self) -> None:
        if self._prepared:
            return
        if prepare_home(self._home, with_file=self._with_file):
            self._note(f"Created {self._home / FILE_NAME} with a new API key for your clients.")
        self._prepared = True

    def _cleaned(self, record: AccountRecord) -> Secret:
        """Return an account's secret without quotes, names and spaces around it.

        :raises AccountError: if the rest is not a secret.
        """
        known = ACCOUNT_KINDS.get(record.kind)
        what = known.secret_name if known else "Secret"
        try:
            key = clean_key(record.secret.reveal())
        except KeyFormatError as error:
            raise AccountError(f"the {what} {error}") from None
        if not key:
            raise AccountError(f"the {what} is empty")
        if key != record.secret.reveal():
            self._note(f"antigravity: ignored white space, quotes or 'Bearer' around the {what}")
        return Secret(key)


def check_kind(kind: str, upstreams: Mapping[str, UpstreamSettings]) -> None:
    """Check that there is a kind of account.

    :raises AccountError: with the known kinds.
    """
    others = {each.kind for each in upstreams.values()} - set(ACCOUNT_KINDS)
    kinds = [*ACCOUNT_KINDS, *sorted(others)]
    if kind not in kinds:
        near = closest(kind, kinds)
        hint = f"; did you mean {near!r}?" if near else ""
        message = f"there is no kind of account {kind!r}; allowed: {', '.join(kinds)}{hint}"
        raise AccountError(message)


def _upstream_at(record: AccountRecord, upstreams: Mapping[str, UpstreamSettings]) -> str:
    """Return the name of the upstream at the record's address; a new one is named after it.

    If another upstream has that name, the kind or a number is added.
    """
    for name, upstream in upstreams.items():
        if upstream.kind == record.upstream_kind and is_at(upstream, record.base_url):
            return name
    if record.kind == "zai":
        return record.kind
    host = (urlsplit(record.base_url).hostname or "").lower()
    name = re.sub(r"[^a-z0-9]+", "-", host).strip("-")
    others = (f"{name}-{record.kind.replace('_', '-')}", *(f"{name}-{n}" for n in range(2, 100)))
    return next((each for each in (name, *others) if each not in upstreams), name)
