"""Where credentials of upstreams come from."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from zope.interface import Interface

from antigravity.interfaces.upstreams import Credential


class ICredentialSource(Interface):
    """Knows the credentials of each upstream and hands them out."""

    def credentials(upstream: str) -> Sequence[Credential]:
        """Return all credentials of the upstream of that name that may be used."""

    def lease(upstream: str, exclude: Collection[str] = frozenset()) -> Credential | None:
        """Return the credential whose turn it is, ``None`` if there is none left.

        :param exclude: ids of credentials that are of no use this time.
        """
