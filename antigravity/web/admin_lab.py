"""The operator's trials of requests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from twisted.internet.defer import Deferred

from antigravity.interfaces.admin_routes import AdminRoute
from antigravity.interfaces.administration import IAdministration
from antigravity.interfaces.lab import LARGEST, ILab, LabAnswer, LabRequest, LabTranslation
from antigravity.ir.errors import DeadlineError, InvalidRequestError, OverloadedError

_EXAMPLE: Final[dict[str, Any]] = {
    "protocol": "anthropic",
    "model": "gemini-2.5-flash",
    "request": {"max_tokens": 100, "messages": [{"role": "user", "content": "Hello!"}]},
}


class LabRequests:
    """The trials of an administration."""

    def __init__(self, administration: IAdministration) -> None:
        self._administration = administration

    def routes(self) -> Iterator[AdminRoute]:
        """Yield the declaration of each request."""
        yield AdminRoute(
            method="POST",
            path="/admin/lab/translate",
            summary="Show what an upstream would get for a client's request, without sending it.",
            details=(
                "The request takes the real way up to the upstream's address: rules, routing, "
                "media and translation.  Credentials are masked, accounts and records stay as they "
                "are.  An access token and files that the request names may be fetched.  If "
                "nothing would be sent, `error` says why."
            ),
            example=_EXAMPLE,
            body=LabRequest,
            max_body=LARGEST,
            response=LabTranslation,
            errors=(InvalidRequestError,),
            handler=self._translate,
        )
        yield AdminRoute(
            method="POST",
            path="/admin/lab/send",
            summary="Send a client's request, and return what the client would get.",
            details=(
                "It costs what a client's request costs, and is in the ledger.  With `simulate`, "
                "the built-in simulator answers in the place of the upstream: it gets the "
                "translated request without credentials, and the answer is translated back.  That "
                "costs nothing, and leaves no record."
            ),
            example=_EXAMPLE,
            body=LabRequest,
            max_body=LARGEST,
            response=LabAnswer,
            errors=(InvalidRequestError, DeadlineError, OverloadedError),
            handler=self._send,
        )

    @property
    def _lab(self) -> ILab:
        found: ILab = self._administration.lab
        return found

    def _translate(self, body: LabRequest) -> Deferred[LabTranslation]:
        return self._lab.translate(body)

    def _send(self, body: LabRequest) -> Deferred[LabAnswer]:
        return self._lab.send(body)
