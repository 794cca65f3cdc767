"""A selection policy that may be anybody's, made safe to ask: pure but for the log."""

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
    """Asks a policy; where that fails, or says what makes no sense, asks ``Balance`` instead.

    What one policy does wrong must not end the waiting of requests that it was not asked for.
    """

    log = make_logger()

    def __init__(self, policy: ISelectionPolicy) -> None:
        self._policy = policy
        self._instead = Balance()
        self.name = str(policy.name)
        self.sticky = bool(policy.sticky)

    def select(self, candidates: Sequence[Candidate], context: SelectionContext) -> Selection:
        """Return who may serve, best first."""
        try:
            return _sensible(self._policy.select(candidates, context), candidates)
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything
            self._failed("select", error)
            return self._instead.select(candidates, context)

    def moves(
        self, bound: Candidate | None, candidates: Sequence[Candidate], context: SelectionContext
    ) -> bool:
        """Return whether a conversation belongs to the account that serves it now."""
        try:
            return bool(self._policy.moves(bound, candidates, context))
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything
            self._failed("moves", error)
            return self._instead.moves(bound, candidates, context)

    def _failed(self, method: str, error: Exception) -> None:
        self.log.error(
            "selection policy {name}: {method} failed, so Balance chooses: {kind}: {error}",
            name=self.name,
            method=method,
            kind=type(error).__name__,
            error=str(error),
        )


def _sensible(selection: object, candidates: Sequence[Candidate]) -> Selection:
    """Return the selection, if it is one.

    :raises TypeError: if it is none.
    :raises ValueError: if somebody who was not offered would serve, or the time is none.
    """
    if not isinstance(selection, Selection):
        raise TypeError(f"expected a Selection, got {type(selection).__name__}")
    first = next((each for each in selection.order if each.available), None)
    if first is not None and first not in candidates:
        raise ValueError(f"{first.credential} was not offered")
    if not selection.wait >= 0:
        raise ValueError(f"{selection.wait} is no time to wait")
    return selection
