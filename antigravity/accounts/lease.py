"""The lease of an account for one attempt."""

from __future__ import annotations

from collections.abc import Callable

from zope.interface import implementer

from antigravity.interfaces.accounts import ILease, UpstreamModel
from antigravity.interfaces.upstreams import Credential
from antigravity.ir.errors import GatewayError


@implementer(ILease)
class Lease:
    """A lease that ends exactly once.

    :param began: when the lease began, in seconds.
    :param ended: called with the lease, whether the attempt succeeded, and its error.
    :param probe_passed: makes the lease a probe; called when a successful response starts.
    """

    def __init__(
        self,
        upstream_model: UpstreamModel,
        credential: Credential,
        session: str,
        began: float,
        ended: Callable[[Lease, bool, GatewayError | None], None],
        probe_passed: Callable[[Lease], None] | None = None,
    ) -> None:
        self.upstream_model = upstream_model
        self.credential = credential
        self.session = session
        self.began = began
        self.is_probe = probe_passed is not None
        self._probe_passed = probe_passed
        #: Called when the lease ends, before anything else.
        self.on_end: Callable[[], None] | None = None
        self._ended: Callable[[Lease, bool, GatewayError | None], None] | None = ended

    def __repr__(self) -> str:
        return f"<Lease of {self.credential.id} for {self.upstream_model.model}>"

    def response_started(self) -> None:
        """Record that a successful response has started."""
        probe_passed, self._probe_passed = self._probe_passed, None
        if probe_passed is not None and self._ended is not None:
            probe_passed(self)

    def succeeded(self) -> None:
        """End the lease after a successful attempt."""
        self._end(True, None)

    def failed(self, error: GatewayError) -> None:
        """End the lease after a failed attempt."""
        self._end(False, error)

    def release(self) -> None:
        """End the lease without a result."""
        self._end(False, None)

    def _end(self, success: bool, error: GatewayError | None) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            if self.on_end is not None:
                self.on_end()
            ended(self, success, error)
