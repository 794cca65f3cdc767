"""The credentials of all upstreams, from settings and accounts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from zope.interface import implementer

from antigravity.accounts.masked_label import masked_label
from antigravity.accounts.records import AccountRecord, credential_id
from antigravity.accounts.upstreams import (
    UnclearAccountError,
    account_problem,
    all_upstreams,
    check_fit,
    upstream_of,
)
from antigravity.config.checks import credential_keys
from antigravity.config.errors import Problem
from antigravity.config.keys import trim_key
from antigravity.config.settings import Settings, UpstreamSettings
from antigravity.interfaces.accounts import ICredentialSource
from antigravity.interfaces.upstreams import Credential


@implementer(ICredentialSource)
class CredentialStore:
    """Credentials from settings and accounts.

    :param marks: the marks of accounts by id, see ``Credential.mark``.
    :ivar upstreams: the enabled upstreams, configured and implied ones.
    :ivar problems: warnings about unused accounts and upstreams without credentials.
    :ivar records: all accounts, also those that are not used.
    :ivar unused: why an account cannot be used, by its id; those that are disabled are not in it.
    """

    def __init__(
        self,
        settings: Settings,
        records: Collection[AccountRecord] = (),
        marks: Mapping[str, str] = {},
    ) -> None:
        every = all_upstreams(settings, records)
        problems: list[Problem] = []
        self.records = tuple(records)
        self.unused: dict[str, str] = {}
        found: dict[str, dict[str, Credential]] = {
            name: {c.secret: c for c in _configured(name, upstream)}
            for name, upstream in every.items()
            if upstream.enabled
        }
        for record in records:
            try:
                name = upstream_of(record, settings.upstreams)
                if name in every:
                    check_fit(record, name, every[name])
            except UnclearAccountError as error:
                problems.append(account_problem(record, str(error)))
                self.unused[record.id] = str(error)
                continue
            if name in every and name not in found:
                self.unused[record.id] = f"its upstream {name} is switched off"
            if record.enabled and name in found:
                mark = marks.get(record.id, "")
                credential = _of_account(name, record, every[name], mark)
                found[name][credential.secret] = credential
        problems += [_no_credential(name) for name, each in found.items() if not each]
        problems += [
            _no_oauth_client(name)
            for name in found
            if every[name].kind == "codeassist" and not every[name].oauth.client_id
        ]
        self.upstreams = {name: every[name] for name in found}
        self.problems = tuple(problems)
        self._credentials = {name: tuple(each.values()) for name, each in found.items()}
        self._next = dict.fromkeys(found, 0)

    def credentials(self, upstream: str) -> Sequence[Credential]:
        """Return all credentials of an upstream; an unknown upstream has none."""
        return self._credentials.get(upstream, ())

    def masked_addresses(self) -> dict[str, str]:
        """Return the e-mail addresses of all accounts, each with its masked form."""
        labels = {each.label for found in self._credentials.values() for each in found}
        return {label: masked_label(label) for label in labels if "@" in label}

    def next_credential(
        self, upstream: str, exclude: Collection[str] = frozenset()
    ) -> Credential | None:
        """Return the next credential in turn, ``None`` if there is none."""
        credentials = self.credentials(upstream)
        for step in range(len(credentials)):
            index = (self._next[upstream] + step) % len(credentials)
            if credentials[index].id not in exclude:
                self._next[upstream] = (index + 1) % len(credentials)
                return credentials[index]
        return None

    def remove(self, credential: Credential) -> bool:
        """Remove a credential; return whether it was there.

        A credential with the same id and another secret stays.
        """
        before = self.credentials(credential.upstream)
        after = tuple(
            each for each in before if (each.id, each.secret) != (credential.id, credential.secret)
        )
        self._credentials[credential.upstream] = after
        return len(after) < len(before)


def _configured(name: str, upstream: UpstreamSettings) -> list[Credential]:
    secrets = [getattr(upstream, key) for key in credential_keys(upstream.kind)]
    secrets += upstream.api_keys if "api_key" in credential_keys(upstream.kind) else []
    extra = {"project": upstream.project} if upstream.project else {}
    keys = [trim_key(secret.reveal()) for secret in secrets]
    return [Credential(credential_id(name, key), name, key, extra=extra) for key in keys if key]


def _of_account(
    name: str, record: AccountRecord, upstream: UpstreamSettings, mark: str
) -> Credential:
    extra = {"project": upstream.project} if upstream.project else {}
    extra |= {key: value for key, value in record.extra.items() if isinstance(value, str)}
    return Credential(record.id, name, trim_key(record.secret.reveal()), record.label, extra, mark)


def _no_credential(name: str) -> Problem:
    message = (
        "this upstream has no credential: set api_key, or run 'antigravity accounts add' "
        "(if its server needs none, any text works)"
    )
    return Problem(message, key=f"upstreams.{name}", severity="warning")


def _no_oauth_client(name: str) -> Problem:
    message = "an upstream of kind codeassist needs your own OAuth client: set client_id"
    return Problem(message, key=f"upstreams.{name}.oauth.client_id", severity="warning")
