"""What is known about one account."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from antigravity.config.secret import Secret


class AccountKind(Struct, frozen=True):
    """A kind of account: the kind of upstream that it is for, and what its secret is.

    ``oauth`` if it is a person's, who has logged in, and not a key.
    """

    name: str
    upstream_kind: str
    secret_name: str
    oauth: bool = False


#: The kinds of accounts that the gateway knows by itself.
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

    ``upstream`` is the name of the upstream that it is for; empty means the one of its
    kind.  ``base_url`` is where that is, if no configuration says so.  ``created`` and
    ``disabled_at`` are in seconds since 1970.  ``extra`` holds what a kind of upstream needs
    besides.
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
    """Return the id of a credential: the same for the same secret, and telling nothing of it."""
    digest = hashlib.sha256(f"antigravity credential\0{secret}".encode()).hexdigest()
    return f"{upstream}-{digest[:10]}"
