"""What the operator's interface asks of workers, and a gateway that has none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from antigravity.interfaces.administration import RunningRequest
from antigravity.interfaces.status import PoolStatus, WorkerStatus


class Workers(Protocol):
    """The workers of a gateway, as they were when they reported last.

    They report before each request of an operator, and get commands in the order in which they
    are given.
    """

    @property
    def active(self) -> int:
        """How many requests they serve."""

    @property
    def wrong_keys(self) -> int:
        """How many wrong keys were sent to them."""

    def refresh(self) -> Any:
        """Ask for reports; the Deferred fires when they are there, or a second is over."""

    def status(self) -> list[WorkerStatus]:
        """Return the state of each."""

    def running(self) -> list[RunningRequest]:
        """Return their requests."""

    def add_pools(self, own: PoolStatus) -> PoolStatus:
        """Return a status of accounts with the requests and locks of all."""

    def add_sessions(self, own: Mapping[str, int]) -> Mapping[str, int]:
        """Return how often sessions kept their account, in all processes."""

    def add_signatures(self, own: Mapping[str, int]) -> Mapping[str, int]:
        """Return how often thinking was found, in all processes."""

    def cancel(self, name: str) -> bool:
        """Cancel a request, by its reference or id; return whether a worker serves it."""

    def unlock(self, account: str, model: str) -> int:
        """End the locks of an account; return how many there were."""

    def fix_account(self, credential: str | None) -> None:
        """Use one account for all requests that it can serve."""

    def clear_bindings(self) -> None:
        """Forget which account serves which conversation."""


class NoWorkers:
    """The workers of a gateway that is one process; see :class:`Workers`."""

    active = wrong_keys = 0

    def refresh(self) -> None:
        """Do nothing."""

    def status(self) -> list[WorkerStatus]:
        """Return nothing."""
        return []

    def running(self) -> list[RunningRequest]:
        """Return nothing."""
        return []

    def add_pools(self, own: PoolStatus) -> PoolStatus:
        """Return the status of this process."""
        return own

    def add_sessions(self, own: Mapping[str, int]) -> Mapping[str, int]:
        """Return the numbers of this process."""
        return own

    def add_signatures(self, own: Mapping[str, int]) -> Mapping[str, int]:
        """Return the numbers of this process."""
        return own

    def cancel(self, name: str) -> bool:
        """Find nothing."""
        return False

    def unlock(self, account: str, model: str) -> int:
        """Find nothing."""
        return 0

    def fix_account(self, credential: str | None) -> None:
        """Do nothing."""

    def clear_bindings(self) -> None:
        """Do nothing."""
