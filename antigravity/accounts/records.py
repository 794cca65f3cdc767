"""Accounts and their kinds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from antigravity.config.secret import Secret


class AccountKind(Struct, frozen=True):
    """A kind of account: its kind of upstream, and a name for its secret.

    ``oauth`` says that the account is a login rather than a key.
    """

    name: str
    upstream_kind: str
    secret_name: str
    oauth: bool = False


#: The built-in kinds of accounts.
ACCOUNT_KINDS: Final[Mapping[str, AccountKind]] = {
    kind.name: kind
    for kind in (
        AccountKind("codeassist", "codeassist", "OAuth refresh token", oauth=True),
        AccountKind("gemini_api", "gemini_api", "Gemini API key"),
        AccountKind("anthropic", "anthropic", "Anthropic API key"),
        AccountKind("openai", "openai", "API key"),
        AccountKind("zai", "anthropic", "z.ai API key"),
    )
}


class AccountRecord(Struct, frozen=True):
    """One account.

    ``upstream`` is the name of its upstream; empty means the one of its kind.  ``base_url`` is the
    upstream's address, if no configuration sets it.  ``created`` and ``disabled_at`` are in
    seconds since the epoch.  ``extra`` has further values for the kind of upstream.
    """

    id: str
    kind: str
    secret: Secret
    upstream: str = ""
    label: str = ""
    enabled: bool = True
    disabled_reason: str = ""
    created: float = 0.0
    base_url: str = ""
    extra: dict[str, Any] = {}
    disabled_at: float = 0.0

    @property
    def upstream_kind(self) -> str:
        """The kind of upstream that can use the account."""
        known = ACCOUNT_KINDS.get(self.kind)
        return known.upstream_kind if known else self.kind


def credential_id(upstream: str, secret: str) -> str:
    """Return the id of a credential, which is derived from its secret and does not reveal it."""
    digest = hashlib.sha256(f"antigravity credential\0{secret}".encode()).hexdigest()
    return f"{upstream}-{digest[:10]}"
