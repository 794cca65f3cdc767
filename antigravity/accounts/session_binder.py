"""Binds sessions to the accounts that were chosen for them."""

from __future__ import annotations

from collections.abc import Sequence

from antigravity.accounts.affinity import Bindings
from antigravity.accounts.session_moves import SessionMoves
from antigravity.interfaces.accounts import LeaseRequest
from antigravity.interfaces.selection import Candidate, ISelectionPolicy, SelectionContext
from antigravity.logs import make_logger


class SessionBinder:
    """Decides whether a session is bound to another account.

    :ivar moves: tells other gateways; ``None`` if nothing is shared.
    """

    log = make_logger()

    def __init__(self, bindings: Bindings) -> None:
        self._bindings = bindings
        self.moves: SessionMoves | None = None

    def bind(
        self,
        request: LeaseRequest,
        candidates: Sequence[Candidate],
        chosen: Candidate,
        policy: ISelectionPolicy,
        context: SelectionContext,
    ) -> bool:
        """Bind the session to the chosen account, or refresh its binding, if it should be.

        A session is bound to one account per rank, even if the rank spans several upstreams.
        Return whether the state needs to be stored.
        """
        session, upstream_model, name = request.session, chosen.upstream_model, chosen.credential
        same_rank = [model for rank, model in request.ranked if rank == chosen.rank]
        bound = self._bindings.accounts(session, same_rank)
        is_kept = (upstream_model, name) in bound
        if bound and not is_kept:
            own = [each for each in candidates if each.rank == chosen.rank and each.bound]
            if chosen.fixed or not policy.moves(own[0] if own else None, candidates, context):
                return False
            self.log.info(
                "session {session} moves from {old} to {new} for {model}",
                session=session[:8],
                old=", ".join(account for _, account in bound),
                new=name,
                model=upstream_model.model,
            )
        elif not bound and chosen.fixed:
            return False  # the binding would outlast the fixed account
        for other, account in bound:
            if other != upstream_model:
                self._bindings.unbind(session, other.upstream, other.model, account)
        if not is_kept and self.moves is not None:
            self.moves.bound(session, candidates, chosen, same_rank)
        return self._bindings.bind(session, upstream_model.upstream, upstream_model.model, name)
