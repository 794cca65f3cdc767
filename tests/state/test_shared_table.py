"""The table that gateways share: changes reach all, and what was lost comes back."""

from __future__ import annotations

from typing import Any

import msgspec
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from antigravity.interfaces.state import LONGEST_TTL
from antigravity.state.shared import SharedState
from antigravity.state.table import REFRESH_INTERVAL, SharedTable, TableRow
from tests.support.shared_memory import SharedMemory


class TableCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_796_032_800.3)
        self.shared = SharedMemory(self.clock)
        self.parts = ["a", "b"]

    def table(self, **options: Any) -> Table:
        """Return the table of another gateway."""
        return Table(self, self.shared.gateway(), **options)

    def settle(self, seconds: float = 0.0) -> None:
        """Let messages arrive."""
        self.clock.advance(seconds)
        for _ in range(5):
            self.clock.advance(0)


class Table:
    """A table, what it was told, and its gateway's state."""

    def __init__(self, case: TableCase, state: SharedState, ahead: float = 0.0, **options: Any):
        self.told: list[tuple[str, str, bytes]] = []
        self.state = state
        self.table = SharedTable(
            state,
            case.clock,
            "t",
            lambda: case.parts,
            self.changed,
            wall=lambda: case.clock.seconds() + ahead,
            **options,
        )
        case.successResultOf(self.table.start())
        case.addCleanup(state.stop)
        case.addCleanup(self.table.stop)

    def changed(self, part: str, row: TableRow) -> None:
        if row.value == b"wrong":
            raise ValueError(row.value)
        self.told.append((part, row.key, row.value))

    def value(self, part: str, key: str) -> bytes | None:
        row = self.table.get(part, key)
        return None if row is None else row.value


class SharedTableTests(TableCase):
    def test_change_reaches_all_others(self) -> None:
        one, *others = (self.table() for _ in range(3))
        one.table.set("a", "k", b"1", 60)
        self.settle()
        for each in others:
            self.assertEqual((each.told, each.value("a", "k")), ([("a", "k", b"1")], b"1"))
        self.assertEqual(one.told, [])
        others[0].table.remove("a", "k")
        self.settle()
        for each in (one, others[1]):
            self.assertEqual(each.told[-1], ("a", "k", b""))
            self.assertEqual(each.table.keys("a"), [])

    def test_new_gateway_reads_what_is_stored(self) -> None:
        one = self.table()
        one.table.set("a", "k", b"1", 60)
        one.table.set("a", "l", b"2", 10)
        one.table.set("b", "k", b"3", 60)
        self.settle(20)
        self.assertEqual(self.table().told, [("a", "k", b"1"), ("b", "k", b"3")])

    def test_parts_that_nobody_wants_are_ignored(self) -> None:
        one = self.table()
        self.parts = ["b"]
        other = self.table()
        one.table.set("a", "k", b"1", 60)
        self.settle()
        self.assertEqual((other.told, other.value("a", "k")), ([], None))
        self.parts.append("a")
        self.successResultOf(other.table.refresh())
        self.assertEqual(other.told, [("a", "k", b"1")])

    def test_change_of_part_that_is_not_wanted_any_more_is_stored(self) -> None:
        one = self.table()
        self.shared.is_away = True
        one.table.set("a", "k", b"1", 600)
        self.settle()
        self.parts = ["b"]
        self.shared.is_away = False
        for _ in range(10):
            self.settle(1)
        self.parts = ["a", "b"]
        self.assertEqual(self.table().told, [("a", "k", b"1")])

    def test_later_change_wins_everywhere(self) -> None:
        one, other = self.table(), self.table()
        one.table.set("a", "k", b"1", 60)
        other.table.set("a", "k", b"2", 60)  # at the same time
        self.settle()
        self.assertEqual(one.value("a", "k"), other.value("a", "k"))
        third = self.table()
        self.assertEqual(third.value("a", "k"), one.value("a", "k"))

    def test_change_replaces_that_of_clock_which_is_ahead(self) -> None:
        one, other = self.table(ahead=30.0), self.table()
        one.table.set("a", "k", b"1", 60)
        self.settle()
        other.table.remove("a", "k")
        self.settle()
        self.assertEqual(one.value("a", "k"), b"")
        self.assertEqual(self.table().table.keys("a"), [])

    def test_removed_row_does_not_come_back(self) -> None:
        one = self.table()
        one.table.set("a", "k", b"1", 9000)
        self.settle()
        other = self.table()
        one.table.remove("a", "k")
        self.settle()
        for _ in range(20):
            self.settle(REFRESH_INTERVAL)
        self.assertEqual([other.table.keys("a"), self.table().told], [[], []])

    def test_changes_are_told_after_loss(self) -> None:
        one, other = self.table(), self.table()
        one.table.set("a", "k", b"1", 600)
        self.settle()
        self.shared.is_away = True
        one.table.set("a", "l", b"2", 600)
        self.settle()
        other.table.set("b", "m", b"3", 600)
        self.settle()
        self.assertTrue(one.state.is_lost)
        self.shared.memory._others.clear()  # it was started again, and is empty
        self.shared.is_away = False
        for _ in range(10):
            self.settle(1)
        for each in (one, other, self.table()):
            found = [each.value(*place) for place in (("a", "k"), ("a", "l"), ("b", "m"))]
            self.assertEqual(found, [b"1", b"2", b"3"])

    def test_lost_message_is_made_up_for(self) -> None:
        one, other = self.table(), self.table()
        self.shared.memory._listeners.clear()
        one.table.set("a", "k", b"1", 600)
        self.settle()
        self.assertEqual(other.told, [])
        self.settle(REFRESH_INTERVAL)
        self.assertEqual(other.told, [("a", "k", b"1")])

    def test_changes_at_once_are_all_stored(self) -> None:
        tables = [self.table() for _ in range(4)]
        self.shared.waiting = []
        for number, each in enumerate(tables):
            each.table.set("a", f"{number}", b"1", 60)
        self.settle()
        while self.shared.waiting:
            waiting, self.shared.waiting = self.shared.waiting, []
            for each in waiting:
                each.callback(None)
            self.settle()
        self.shared.waiting = None
        self.assertEqual(sorted(self.table().table.keys("a")), ["0", "1", "2", "3"])

    def test_part_has_most_rows(self) -> None:
        one, other = self.table(max_rows=3), self.table(max_rows=3)
        for number in range(6):
            one.table.set("a", f"{number}", b"1", 60)
            self.settle(1)
        for each in (one, other, self.table(max_rows=3)):
            self.assertEqual(sorted(each.table.keys("a")), ["3", "4", "5"])

    def test_wrong_row_does_not_stop_others(self) -> None:
        one, other = self.table(), self.table()
        one.table.set("a", "k", b"wrong", 60)
        one.table.set("a", "l", b"1", 60)
        self.settle()
        self.assertEqual(other.told, [("a", "l", b"1")])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_row_with_impossible_time_is_ignored(self) -> None:
        one, other = self.table(), self.table()
        now, nan = self.clock.seconds(), float("nan")
        for made, expires in (
            (now + 2 * 86_400, now + 3 * 86_400),
            (nan, now + 60),
            (now, nan),
            (now, 1e300),
            (float("inf"), now + 60),
        ):
            row = TableRow("k", made, "x", expires, b"wrong time")
            self.shared.memory.put("t/a", msgspec.msgpack.encode([row]), 60)
            self.shared.memory.publish("table/t", msgspec.msgpack.encode(("a", [row])))
            self.settle(REFRESH_INTERVAL)
            self.assertIsNone(one.value("a", "k"))
            one.table.set("a", "k", f"{made}".encode(), 60)
            self.settle()
            self.assertEqual(other.value("a", "k"), f"{made}".encode())
            one.table.remove("a", "k")
            self.settle(700)

    def test_row_of_longest_life_is_stored(self) -> None:
        one, other = self.table(ahead=300.0), self.table()
        one.table.set("a", "k", b"1", LONGEST_TTL)
        self.settle()
        other.table.set("a", "l", b"2", 60)
        self.settle()
        late = self.table()
        self.assertEqual((late.value("a", "k"), late.value("a", "l")), (b"1", b"2"))

    def test_messages_of_other_versions_are_ignored(self) -> None:
        one = self.table()
        one.state.publish("table/t", msgspec.msgpack.encode({"a": 1}))
        one.state.put("t/a", b"\xc1", 60)
        self.settle(REFRESH_INTERVAL)
        one.table.set("a", "k", b"1", 60)
        self.settle()
        self.assertEqual(self.table().told, [("a", "k", b"1")])

    def test_nothing_is_kept_without_shared_state(self) -> None:
        alone = Table(self, SharedState(self.clock))
        alone.table.set("a", "k", b"1", 60)
        self.assertEqual(alone.value("a", "k"), None)
        self.assertEqual(self.clock.getDelayedCalls(), self.shared_calls())

    def shared_calls(self) -> list[Any]:
        """Return the timer of the memory that the case has."""
        return [self.shared.memory._timer]

    def test_last_changes_are_told_at_stop(self) -> None:
        one, other = self.table(), self.table()
        one.table.set("a", "k", b"1", 60)
        self.successResultOf(one.table.stop())
        self.settle()
        self.assertEqual(other.told, [("a", "k", b"1")])
