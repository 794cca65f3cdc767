"""Which conversations have thinking that no longer fits their history: bounded, in memory.

Some models bind thinking to all that was before it, some also to the account.  Once the gateway
has changed a history, for example to shorten it, no later request of the conversation can pass
through.  If this is forgotten, the upstream refuses one request, which is then repaired.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

#: Conversations that are remembered; the one that was used least recently is forgotten first.
MAX_CONVERSATIONS: Final = 10_000


class BoundThinking:
    """The account of each conversation, and whether its history was changed."""

    def __init__(self, max_entries: int = MAX_CONVERSATIONS) -> None:
        self._max_entries = max_entries
        self._entries: OrderedDict[str, tuple[str, bool]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def use_account(self, conversation: str, account: str) -> bool:
        """Note the account that serves a conversation; return whether another one did before."""
        before, changed = self._entries.get(conversation, (account, False))
        self._put(conversation, account, changed=changed)
        return before != account

    def note_change(self, conversation: str) -> None:
        """Note that the history of a conversation was changed."""
        account, _ = self._entries.get(conversation, ("", False))
        self._put(conversation, account, changed=True)

    def is_changed(self, conversation: str) -> bool:
        """Return whether the history of a conversation was changed."""
        return self._entries.get(conversation, ("", False))[1]

    def _put(self, conversation: str, account: str, *, changed: bool) -> None:
        self._entries[conversation] = (account, changed)
        self._entries.move_to_end(conversation)
        if len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)
