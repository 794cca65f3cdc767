"""The operator's requests about keys, and about how clients are set up."""

from __future__ import annotations

from collections.abc import Iterator

from twisted.internet.defer import Deferred

from antigravity.interfaces.access import IAccess, KeyReport, SetupQuestion, SetupReport
from antigravity.interfaces.admin_routes import AdminRoute
from antigravity.interfaces.administration import IAdministration
from antigravity.ir.errors import InvalidRequestError, NotFoundError


class AccessRequests:
    """The requests about the access to a gateway."""

    def __init__(self, administration: IAdministration) -> None:
        self._administration = administration

    def routes(self) -> Iterator[AdminRoute]:
        """Yield the declaration of each request."""
        yield AdminRoute(
            method="GET",
            path="/admin/keys",
            summary="List the API keys by their opaque names, and their use today.",
            details=(
                "It never returns a key. Keys that are in no setting are those that clients have "
                "sent in the last 30 days."
            ),
            response=KeyReport,
            handler=self._keys,
        )
        yield AdminRoute(
            method="GET",
            path="/admin/clients",
            summary="Show how clients are set up to use the gateway.",
            details=(
                "The texts have the address and models filled in, and a placeholder for a key that "
                "is needed. ``client`` selects one of them, such as ``codex``."
            ),
            query=SetupQuestion,
            response=SetupReport,
            errors=(InvalidRequestError, NotFoundError),
            handler=self._setup,
        )

    @property
    def _access(self) -> IAccess:
        found: IAccess = self._administration.access
        return found

    def _keys(self) -> Deferred[KeyReport]:
        return self._access.keys()

    def _setup(self, query: SetupQuestion) -> Deferred[SetupReport]:
        return self._access.setup(query)
