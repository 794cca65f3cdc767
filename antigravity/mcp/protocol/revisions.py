"""The revisions of MCP and their differences."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from antigravity.mcp.protocol.messages import INVALID_PARAMS, RESOURCE_NOT_FOUND


class Revision(Struct, frozen=True):
    """One revision.

    ``stateless``: there are no sessions.  ``batches``: a body can hold several messages.
    ``audio``, ``links``: content of these kinds.  ``titles``: display names.
    ``structured``: results with a schema, objects or ``any_structure``.  ``elicitation``:
    requests for input from the user.  ``priming``: a stream begins with an event without data.
    ``tasks``: clients ask for tasks, with the methods of this revision.
    """

    name: str
    stateless: bool = False
    batches: bool = False
    audio: bool = True
    links: bool = True
    titles: bool = True
    structured: bool = True
    any_structure: bool = False
    elicitation: bool = True
    priming: bool = False
    tasks: bool = False
    resource_not_found: int = RESOURCE_NOT_FOUND


_ALL: Final = (
    Revision(
        "2026-07-28",
        stateless=True,
        any_structure=True,
        resource_not_found=INVALID_PARAMS,
    ),
    Revision("2025-11-25", priming=True, tasks=True),
    Revision("2025-06-18"),
    Revision(
        "2025-03-26", batches=True, links=False, titles=False, structured=False, elicitation=False
    ),
    Revision(
        "2024-11-05",
        batches=True,
        audio=False,
        links=False,
        titles=False,
        structured=False,
        elicitation=False,
    ),
)

#: All revisions by name, the newest first.
REVISIONS: Final = {revision.name: revision for revision in _ALL}
#: The newest revision with sessions, offered to clients that request an unknown one.
NEWEST_STATEFUL: Final = next(r for r in _ALL if not r.stateless)


def negotiate(version: str) -> Revision:
    """Return the revision of a session for a client that requests ``version``."""
    revision = REVISIONS.get(version)
    return NEWEST_STATEFUL if revision is None or revision.stateless else revision
