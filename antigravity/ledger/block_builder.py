"""Makes blocks: the sums of days and of several days.

A block is made when its time is over, in the background, from hours or from smaller blocks.  A
request that began in it and ends later is added to it.
"""

from __future__ import annotations

from typing import Final

from antigravity.ledger.blocks import SIZES
from antigravity.ledger.database import Connection, Database

#: Hours that a block is made after its end; requests that end later are added one by one.
GRACE: Final = 2


class BlockBuilder:
    """Makes blocks.  Call it in the writer's thread, in a transaction."""

    def __init__(self, database: Database) -> None:
        self._queries = database.load_queries("blocks")

    def step(self, connection: Connection, now: float) -> bool:
        """Make one block that is due; return whether there may be more.

        :param now: seconds since the epoch.
        """
        ends = dict(self._queries.block_ends(connection))
        hour = int(now // 3600) - GRACE
        for part, size in zip((1, *SIZES), SIZES, strict=False):
            complete = hour if part == 1 else ends.get(part, 0)
            if self._make(connection, size, part, ends.get(size), complete):
                return True
        return False

    def delete(self, connection: Connection, before: int) -> None:
        """Delete the blocks that end before an hour."""
        self._queries.delete_blocks(connection, before=before)
        self._queries.delete_names_by_block(connection, before=before)

    def _make(
        self, connection: Connection, size: int, part: int, since: int | None, complete: int
    ) -> bool:
        """Make the next block of a size, unless its parts are not complete."""
        found = self._queries.next_hour(connection, since=since or 0)
        if found is None:
            return False
        hour = found // size * size
        if since is not None:
            hour = max(hour, since)
        if hour + size > complete:
            return False
        values = {"size": size, "hour": hour, "until": hour + size}
        if part == 1:
            self._queries.build_block_of_hours(connection, **values)
            self._queries.build_names_of_hours(connection, **values)
        else:
            self._queries.build_block_of_blocks(connection, **values, part=part)
            self._queries.build_names_of_blocks(connection, **values, part=part)
        self._queries.move_block_end(connection, size=size, until=hour + size)
        return True
