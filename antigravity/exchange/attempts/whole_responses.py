"""Decides whether an upstream is asked for a whole response or for a stream.

A client that does not stream gets a whole response in either case.  A whole response costs a
fraction of a stream, but nothing arrives before its end: networks and servers end requests that
are silent for minutes, and some models only stream.  So an upstream is asked for a whole response
only if it can be expected soon.
"""

from __future__ import annotations

from typing import Final

from antigravity.config.settings import WholeResponses
from antigravity.ir.capabilities import Target, Traits
from antigravity.ir.errors import GatewayError
from antigravity.ir.request import Effort, Request

#: The name of the quirk of an upstream that serves whole responses.
QUIRK: Final = "whole_responses"
#: Efforts with which a model may think for minutes.
_LONG_EFFORTS: Final[tuple[Effort, ...]] = ("high", "xhigh", "max")
#: Statuses with which an upstream refuses the form of a request.
_REFUSALS: Final = (400, 405, 422, 501)


def wants_whole(request: Request, target: Target, traits: Traits, mode: WholeResponses) -> bool:
    """Return whether to ask for a whole response; the client's request does not stream.

    ``request`` is what is sent to ``target``.
    """
    capabilities = target.capabilities
    longest = capabilities.whole_output_tokens
    if not traits.streams:
        return True
    if mode == "never" or not traits.whole_responses or not longest:
        return False
    if not target.accepts(QUIRK, usual=True):
        return False
    if _has_media(request) or any(kind != "text" for kind in capabilities.outputs):
        return False
    if mode == "always":
        return True
    limit = request.max_output_tokens or capabilities.max_output_tokens
    if limit is None or limit > longest:
        return False
    thinking = request.thinking
    return thinking.effort not in _LONG_EFFORTS and (thinking.budget or 0) <= longest


def _has_media(request: Request) -> bool:
    """Return whether a request asks for images or speech, whose settings are those of streams."""
    return request.speech is not None or any(kind != "text" for kind in request.modalities)


def needs_stream(error: GatewayError) -> bool:
    """Return whether an upstream refused a request because it only streams."""
    return error.upstream_status in _REFUSALS and "stream" in error.message.lower()
