"""Limits of a model's context window, and a quick test for small requests.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from msgspec import Struct

from antigravity.context.compression import Limits
from antigravity.context.estimate import ASCII_PER_TOKEN, MARGIN, OTHER_PER_TOKEN
from antigravity.ir.capabilities import Capabilities

#: Tokens reserved for a response whose length the client does not limit.
RESPONSE_TOKENS: Final = 4_096
#: The largest share of a window that is reserved for such a response.
RESPONSE_SHARE: Final = 0.125
#: The largest share of a window that is reserved for the client's limit of the response.
OUTPUT_SHARE: Final = 0.5

#: The largest number of estimated tokens per byte of a body.  Characters outside of ASCII have two
#: bytes or more.
_ASCII_RATE: Final = MARGIN / ASCII_PER_TOKEN
_OTHER_RATE: Final = MARGIN / OTHER_PER_TOKEN / 2


class Thresholds(Struct, frozen=True):
    """The share of the window above which each layer applies; 0 means only if necessary."""

    l1: float = 0.0
    l2: float = 0.0
    l3: float = 0.0

    @property
    def early(self) -> bool:
        """Whether a layer can apply before it is necessary."""
        return bool(self.l1 or self.l2 or self.l3)


class ModelWindow(Struct, frozen=True):
    """The context window of a model in tokens, and its capabilities."""

    window: int
    capabilities: Capabilities = Capabilities()

    def limits(self, requested: int | None, thresholds: Thresholds, ceiling: int = 0) -> Limits:
        """Return the limits for a request with a limit of ``requested`` output tokens.

        :param ceiling: the number of tokens that the upstream accepts, 0 if it is not known.
        """
        fit = self.window - self._reserved(requested)
        if ceiling:
            fit = min(fit, ceiling)
        l1, l2, l3 = (
            min(fit, int(part * self.window)) if part else fit
            for part in (thresholds.l1, thresholds.l2, thresholds.l3)
        )
        return Limits(fit, l1, l2, l3)

    def lowest_limit(self, thresholds: Thresholds) -> int:
        """Return the lowest limit of any request; every request asks for it."""
        counts, most = self.capabilities.window_counts_output, self.capabilities.max_output_tokens
        return _lowest_limit(self.window, counts, most, thresholds)

    def _reserved(self, requested: int | None) -> int:
        """Return the number of tokens reserved for the response."""
        capabilities = self.capabilities
        if requested is None or not capabilities.window_counts_output:
            return min(RESPONSE_TOKENS, int(self.window * RESPONSE_SHARE))
        most: Sequence[int] = (capabilities.max_output_tokens or requested, requested)
        return min(*most, int(self.window * OUTPUT_SHARE))


@lru_cache(maxsize=4096)
def _lowest_limit(
    window: int, window_counts_output: bool, max_output: int | None, thresholds: Thresholds
) -> int:
    capabilities = Capabilities(
        window_counts_output=window_counts_output, max_output_tokens=max_output
    )
    requested = window if window_counts_output else None
    return ModelWindow(window, capabilities).limits(requested, thresholds).lowest


def may_exceed(body: bytes, limit: int, factor: float) -> bool:
    """Return whether a body may have more estimated tokens than ``limit``.

    ``factor`` is the calibration factor.  Referenced files do not count here; if they are too
    large, the upstream refuses the request.
    """
    if len(body) * _OTHER_RATE * factor <= limit:
        return False
    return not body.isascii() or len(body) * _ASCII_RATE * factor > limit
