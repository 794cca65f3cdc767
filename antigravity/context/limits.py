"""How much fits a model, and a bound that tells small requests without reading them: pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from antigravity.context.compression import Limits
from antigravity.context.estimate import ASCII_PER_TOKEN, MARGIN, OTHER_PER_TOKEN
from antigravity.ir.capabilities import Capabilities

#: Tokens reserved for a response whose length the client does not limit.
ANSWER: Final = 4_096
#: It takes no larger part of a small window.
ANSWER_SHARE: Final = 0.125
#: A limit on the output may take so much of the window; nobody means more.
OUTPUT_SHARE: Final = 0.5

#: Estimated tokens per byte of a body, at the most.  Characters outside of ASCII have two
#: bytes or more.
_ASCII_RATE: Final = MARGIN / ASCII_PER_TOKEN
_OTHER_RATE: Final = MARGIN / OTHER_PER_TOKEN / 2


class Thresholds(Struct, frozen=True):
    """Parts of the window from which on layers act; 0 is only where a request would not fit."""

    l1: float = 0.0
    l2: float = 0.0
    l3: float = 0.0

    @property
    def early(self) -> bool:
        """Whether any layer acts before it has to."""
        return bool(self.l1 or self.l2 or self.l3)


class ModelWindow(Struct, frozen=True):
    """The window of a model in tokens, and what the model can do besides."""

    window: int
    capabilities: Capabilities = Capabilities()

    def limits(self, requested: int | None, thresholds: Thresholds, ceiling: int = 0) -> Limits:
        """Return the limits for a request that wants so much output."""
        fit = self.window - self._reserved(requested)
        if ceiling:
            fit = min(fit, ceiling)
        l1, l2, l3 = (
            min(fit, int(part * self.window)) if part else fit
            for part in (thresholds.l1, thresholds.l2, thresholds.l3)
        )
        return Limits(fit, l1, l2, l3)

    def least(self, thresholds: Thresholds) -> int:
        """Return the lowest limit that any request can have."""
        most = self.window if self.capabilities.window_counts_output else None
        return self.limits(most, thresholds).lowest

    def _reserved(self, requested: int | None) -> int:
        """Return what of the window is the answer's."""
        capabilities = self.capabilities
        if requested is None or not capabilities.window_counts_output:
            return min(ANSWER, int(self.window * ANSWER_SHARE))
        most: Sequence[int] = (capabilities.max_output_tokens or requested, requested)
        return min(*most, int(self.window * OUTPUT_SHARE))


def may_exceed(body: bytes, limit: int, factor: float) -> bool:
    """Return whether a body can be estimated at more tokens than ``limit``.

    ``factor`` is the calibration's.  Files that are only referred to are not seen here: where
    they are too much, the upstream says so.
    """
    if len(body) * _OTHER_RATE * factor <= limit:
        return False
    return not body.isascii() or len(body) * _ASCII_RATE * factor > limit
