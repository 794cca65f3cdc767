"""What the gateway's own tools see of it."""

from __future__ import annotations

from msgspec import Struct

from antigravity.interfaces.administration import IAdministration
from antigravity.interfaces.ledger import ILedger


class OperatorView(Struct, frozen=True):
    """A running gateway.

    ``principal`` is the name of the operator's key, empty if there is none.
    """

    principal: str
    administration: IAdministration
    ledger: ILedger
