"""Which of many accounts serves next: what a policy is told, and what it answers.

Everything here is synchronous and without side effects.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct
from zope.interface import Attribute, Interface

from antigravity.interfaces.accounts import UpstreamModel

#: What :attr:`Candidate.lock` is while an account's quota is protected.
PROTECTED: Final = "protected"


class Protection(Struct, frozen=True):
    """A rest of an account's quota that is kept back.

    ``name`` is the model, or the group of models, that it is for.  ``left`` and ``threshold``
    are fractions of the whole; ``until`` is in seconds since 1970, infinite where the upstream
    does not tell when the quota is renewed.
    """

    name: str
    left: float
    threshold: float
    until: float = math.inf


class AccountFacts(Struct, frozen=True):
    """What is known of one account for one model, from wherever it is known.

    ``tier`` is ``ULTRA``, ``PRO``, ``FREE`` or empty; ``remaining`` the fraction of the quota
    that is left, ``None`` where nobody knows; ``disabled`` the reason why the account must
    not be used, empty if it may; ``protection`` what keeps its quota back now, if anything does.
    """

    tier: str = ""
    remaining: float | None = None
    disabled: str = ""
    protection: Protection | None = None


class Candidate(Struct, frozen=True):
    """One account for one option of a request, as things are now.

    ``place`` is the option's rank in the request.  ``load`` counts the requests that the
    account serves, ``foreign_load`` those of other conversations.  ``last_used`` is in
    seconds, 0 for never.  ``locked_for`` is in seconds, infinite where only people can help;
    ``lock`` says what for (:data:`PROTECTED` for a ``protection``, which is a lock until the
    quota is renewed), ``estimated`` that its length is no word of the upstream's.
    ``fixed``, ``bound`` and ``recent`` mark the account that everything goes to, that the
    conversation belongs to, and that served last.  ``probe`` says that one request may go to it
    in spite of its lock, to see whether that is still needed; the pool decides which one does.
    """

    place: int
    option: UpstreamModel
    credential: str
    tier: int = 0
    remaining: float = 1.0
    load: int = 0
    foreign_load: int = 0
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

    @property
    def protected(self) -> bool:
        """Whether what is left of the account's quota for the model is kept back."""
        return self.protection is not None

    @property
    def eligible(self) -> bool:
        """Whether the account may serve the request now or when it gets free."""
        return not (self.disabled or self.excluded or math.isinf(self.locked_for))

    @property
    def available(self) -> bool:
        """Whether the account may serve the request now."""
        return self.eligible and self.locked_for <= 0 and not self.busy

    @property
    def state(self) -> Literal["available", "locked", "busy", "excluded", "disabled", "protected"]:
        """What speaks against the account most."""
        if self.disabled:
            return "disabled"
        if self.excluded:
            return "excluded"
        if self.locked_for > 0:
            return "protected" if self.lock == PROTECTED else "locked"
        return "busy" if self.busy else "available"


class SelectionContext(Struct, frozen=True):
    """What else a choice depends on.  Times are in seconds."""

    session: str = ""
    waited: float = 0.0
    max_wait: float = 60.0


class Selection(Struct, frozen=True):
    """Who may serve, best first; if nobody can now, ``wait`` is when to ask again at the latest.

    ``wait`` is in seconds.
    """

    order: tuple[Candidate, ...] = ()
    wait: float = math.inf


class ISelectionPolicy(Interface):
    """A way to choose among accounts, named by ``proxy.scheduling.mode``."""

    name = Attribute("The name in the configuration.  :type: str")
    sticky = Attribute("Whether conversations belong to accounts.  :type: bool")

    def select(candidates: Sequence[Candidate], context: SelectionContext) -> Selection:
        """Return who may serve, best first: of those, the first that is ``available`` does."""

    def moves(
        bound: Candidate | None, candidates: Sequence[Candidate], context: SelectionContext
    ) -> bool:
        """Return whether a conversation that another account serves belongs to that one now.

        :param bound: the account that it belonged to, ``None`` if that is not offered any more.
        """
