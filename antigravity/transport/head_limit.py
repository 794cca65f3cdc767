"""The limit on the heads of responses."""

from __future__ import annotations

from typing import Final

from antigravity.ir.errors import UpstreamError

#: Bytes of the head of one response, together with all interim responses before it.
HEAD_LIMIT: Final = 128 * 1024


def head_limit_error() -> UpstreamError:
    """Return the error for a head that is larger than :data:`HEAD_LIMIT`."""
    return UpstreamError(
        f"The upstream sent response headers of more than {HEAD_LIMIT // 1024} KiB.",
        code="headers_too_large",
    )
