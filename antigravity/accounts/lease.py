"""An account for the time of one attempt."""

from __future__ import annotations

from collections.abc import Callable

from zope.interface import implementer

from antigravity.interfaces.accounts import ILease, UpstreamModel
from antigravity.interfaces.upstreams import Credential
from antigravity.ir.errors import GatewayError


@implementer(ILease)
class Lease:
    """Gives its account's place back exactly once.

    ``ended`` is called with the lease, whether it succeeded, and why it failed.  ``lifted`` makes
    it a probe, and is called once the upstream has begun to answer.
    """

    def __init__(
        self,
        option: UpstreamModel,
        credential: Credential,
        session: str,
        began: float,
        ended: Callable[[Lease, bool, GatewayError | None], None],
        lifted: Callable[[Lease], None] | None = None,
    ) -> None:
        self.option = option
        self.credential = credential
        self.session = session
        self.began = began
        self.is_probe = lifted is not None
        self._lifted = lifted
        self._ended: Callable[[Lease, bool, GatewayError | None], None] | None = ended

    def __repr__(self) -> str:
        return f"<Lease of {self.credential.id} for {self.option.model}>"

    def answered(self) -> None:
        """Take note that the upstream has begun to answer well."""
        lifted, self._lifted = self._lifted, None
        if lifted is not None and self._ended is not None:
            lifted(self)

    def succeeded(self) -> None:
        """Take note that the account has served."""
        self._end(True, None)

    def failed(self, error: GatewayError) -> None:
        """Take note of why it has not."""
        self._end(False, error)

    def release(self) -> None:
        """Give the place back without any judgement."""
        self._end(False, None)

    def _end(self, success: bool, error: GatewayError | None) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(self, success, error)
