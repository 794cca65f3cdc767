"""Selection policies: which of many accounts serves a request.

Everything here is synchronous and has no side effects.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct
from zope.interface import Attribute, Interface

from antigravity.interfaces.accounts import UpstreamModel

#: The value of :attr:`Candidate.lock` while an account's quota is protected.
PROTECTED: Final = "protected"


class Protection(Struct, frozen=True):
    """The protection of an account's quota, which has reached the reserve.

    ``name`` is a model or a model group.  ``remaining`` and ``threshold`` are fractions of the
    whole quota.  ``until`` is in seconds since the epoch, infinite if the upstream does not report
    when the quota resets.
    """

    name: str
    remaining: float
    threshold: float
    until: float = math.inf


class AccountFacts(Struct, frozen=True):
    """Tier and quota of one account for one model.

    ``tier`` is ``ULTRA``, ``PRO``, ``FREE`` or empty.  ``remaining`` is the remaining fraction of
    the quota, ``None`` if it is not known.  ``disabled`` is the reason why the account must not be
    used, empty if it may.  ``protection`` is the current protection of its quota, if there is one.
    """

    tier: str = ""
    remaining: float | None = None
    disabled: str = ""
    protection: Protection | None = None


class Candidate(Struct, frozen=True):
    """One account for one upstream model of a request, in its current state.

    ``rank`` is the upstream model's rank in the request.  ``tier`` is 0 for the best; one that is
    not known counts as the last (``tier_known``).  ``load`` is the number of requests in progress,
    ``load_of_others`` the number of those that belong to other sessions.  ``last_used`` is in
    seconds, 0 for never.

    ``locked_for`` is in seconds, infinite if only the operator can end the lock.  ``lock`` is the
    reason (:data:`PROTECTED` for a ``protection``, which locks until the quota resets), and
    ``estimated`` says that the gateway, not the upstream, chose the length.  An account with an
    estimated lock is the last resort, unless it is ``resting``, because it was refused several
    times in a row and not long ago.  ``probe`` says that
    one request may use the account despite the lock, to see whether the lock is still needed; the
    pool decides which request.

    ``remaining`` is 1 if the quota is not known (``quota_known``).

    ``excluded`` accounts were tried already.  ``busy`` accounts have reached their limit of
    requests.  ``fixed`` marks the account that the operator chose, ``bound`` the account of the
    session, ``recent`` the account that served last.
    """

    rank: int
    upstream_model: UpstreamModel
    credential: str
    tier: int = 0
    remaining: float = 1.0
    load: int = 0
    load_of_others: int = 0
    last_used: float = 0.0
    locked_for: float = 0.0
    lock: str = ""
    disabled: str = ""
    protection: Protection | None = None
    excluded: bool = False
    busy: bool = False
    fixed: bool = False
    bound: bool = False
    recent: bool = False
    estimated: bool = False
    probe: bool = False
    resting: bool = False
    quota_known: bool = False
    tier_known: bool = False

    @property
    def protected(self) -> bool:
        """Whether the account's quota for the model is protected."""
        return self.protection is not None

    @property
    def eligible(self) -> bool:
        """Whether the account can serve the request, now or later."""
        return not (self.disabled or self.excluded or math.isinf(self.locked_for))

    @property
    def available(self) -> bool:
        """Whether the account can serve the request now."""
        return self.eligible and self.locked_for <= 0 and not self.busy

    @property
    def state(self) -> Literal["available", "locked", "busy", "excluded", "disabled", "protected"]:
        """The state of the account; if several apply, the strongest reason not to use it."""
        if self.disabled:
            return "disabled"
        if self.excluded:
            return "excluded"
        if self.locked_for > 0:
            return "protected" if self.lock == PROTECTED else "locked"
        return "busy" if self.busy else "available"


class SelectionContext(Struct, frozen=True):
    """What else a selection depends on.

    ``waited`` is how long the request has waited, ``max_wait`` how long a request may wait for the
    account of its session, both in seconds.
    """

    session: str = ""
    waited: float = 0.0
    max_wait: float = 60.0


class Selection(Struct, frozen=True):
    """The candidates that may serve, best first.

    If none is available, the request waits; ``wait`` is the number of seconds after which the
    policy must be asked again at the latest.
    """

    order: tuple[Candidate, ...] = ()
    wait: float = math.inf


class ISelectionPolicy(Interface):
    """A rule that chooses among accounts, named by ``proxy.scheduling.mode``."""

    name = Attribute("The name in the configuration.  :type: str")
    sticky = Attribute("Whether sessions are bound to accounts.  :type: bool")

    def select(candidates: Sequence[Candidate], context: SelectionContext) -> Selection:
        """Return the candidates that may serve, best first; the first available one serves."""

    def moves(
        bound: Candidate | None, candidates: Sequence[Candidate], context: SelectionContext
    ) -> bool:
        """Return whether a session that another account now serves is bound to that one.

        :param bound: the account of the session so far, ``None`` if it is no candidate any more.
        """
