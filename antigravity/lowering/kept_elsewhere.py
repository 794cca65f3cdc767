"""What a request refers to and only one provider keeps."""

from __future__ import annotations

from typing import Final

from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.request import Request

#: Fields that stand for content which lies at the provider, and what to send instead.
_KEPT: Final = {
    "cachedContent": "send the cached content itself",
    "cached_content": "send the cached content itself",
}


def check_kept(request: Request) -> None:
    """Look whether a request for another protocol's model can do without its provider.

    :raises InvalidRequestError: naming the field that stands for content kept elsewhere.
    """
    for name, instead in _KEPT.items():
        if request.extensions.get(name):
            raise InvalidRequestError(
                f"`{name}` refers to content that only {request.protocol} upstreams keep, and the "
                f"model that serves this request cannot read it: {instead}.",
                param=name,
                code="unsupported_file",
            )
