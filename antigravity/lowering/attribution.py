"""Claude Code's attribution block, which only Anthropic's API removes from a prompt.

Claude Code puts its version and a fingerprint into the first block of the system prompt.
Anthropic's API removes it there, as long as it comes unchanged, first and in a block of its own.
For every other model it would be part of the prompt, and break the cache of it as it changes.

Source: https://code.claude.com/docs/en/llm-gateway-protocol
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from antigravity.ir.request import Request

#: The beginning of the block.
_MARK: Final = "x-anthropic-billing-header:"


def without_attribution(request: Request) -> Request:
    """Return the request without the attribution block, if its system prompt begins with one.

    A block with more than this one line has instructions, and stays.
    """
    if not request.system:
        return request
    text = request.system[0].text.strip()
    if not text.startswith(_MARK) or "\n" in text:
        return request
    return replace(request, system=request.system[1:])
