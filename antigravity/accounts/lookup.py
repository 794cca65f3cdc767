"""Finds an account by its id, its label, or the beginning of its id.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

from antigravity.interfaces.upstreams import Credential
from antigravity.ir.errors import InvalidRequestError, NotFoundError


def find_account(credentials: Sequence[Credential], account: str) -> Credential:
    """Return the account with that id or label, or the only one whose id begins with it.

    :raises NotFoundError: if no account matches.
    :raises InvalidRequestError: if several accounts match.
    """
    label = account.casefold()
    for found in (
        [each for each in credentials if each.id == account],
        [each for each in credentials if label and each.label.casefold() == label],
        [each for each in credentials if account and each.id.startswith(account)],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            raise InvalidRequestError(
                f"{account[:100]!r} matches {len(found)} accounts; give the whole id of one.",
                param="account",
            )
    raise NotFoundError(
        f"No account in use matches {account[:100]!r}; 'antigravity status' lists them.",
        param="account",
        code="account_not_found",
    )
