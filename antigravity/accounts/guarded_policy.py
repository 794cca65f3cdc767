"""A selection policy whose failures do not harm the pool."""

from __future__ import annotations

from collections.abc import Sequence

from zope.interface import implementer

from antigravity.accounts.selection import Balance
from antigravity.interfaces.selection import (
    Candidate,
    ISelectionPolicy,
    Selection,
    SelectionContext,
)
from antigravity.logs import make_logger


@implementer(ISelectionPolicy)
class GuardedPolicy:
    """Calls a policy of a plugin; if it fails or returns an invalid result, uses ``Balance``.

    Without that, a faulty policy could end the wait of unrelated requests.
    """

    log = make_logger()

    def __init__(self, policy: ISelectionPolicy) -> None:
        self._policy = policy
        self._fallback = Balance()
        self.name = str(policy.name)
        self.sticky = bool(policy.sticky)

    def select(self, candidates: Sequence[Candidate], context: SelectionContext) -> Selection:
        """Return the candidates that may serve, best first."""
        try:
            return _check(self._policy.select(candidates, context), candidates)
        except Exception as error:  # noqa: BLE001 - a plugin can raise anything
            self._failed("select", error)
            return self._fallback.select(candidates, context)

    def moves(
        self, bound: Candidate | None, candidates: Sequence[Candidate], context: SelectionContext
    ) -> bool:
        """Return whether a session is bound to the account that serves it now."""
        try:
            return bool(self._policy.moves(bound, candidates, context))
        except Exception as error:  # noqa: BLE001 - a plugin can raise anything
            self._failed("moves", error)
            return self._fallback.moves(bound, candidates, context)

    def _failed(self, method: str, error: Exception) -> None:
        self.log.error(
            "selection policy {name}: {method} failed, so Balance chooses: {kind}: {error}",
            name=self.name,
            method=method,
            kind=type(error).__name__,
            error=str(error),
        )


def _check(selection: object, candidates: Sequence[Candidate]) -> Selection:
    """Return a valid selection.

    :raises TypeError: if it is not a selection.
    :raises ValueError: if it chooses an unknown candidate or has an invalid time to wait.
    """
    if not isinstance(selection, Selection):
        raise TypeError(f"expected a Selection, got {type(selection).__name__}")
    first = next((each for each in selection.order if each.available), None)
    if first is not None and first not in candidates:
        raise ValueError(f"{first.credential} is not one of the candidates")
    if not selection.wait >= 0:
        raise ValueError(f"{selection.wait} is not a valid time to wait")
    return selection
