"""Rows that wait in a file: none is lost, damaged ends are cut off, and the file is bounded."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from antigravity.ledger.errors import LedgerError
from antigravity.ledger.rows import attempt_rows, request_row
from antigravity.ledger.spool import Batch, Spool
from tests.support.records import make_record, price

ROOM = 2**20


def make_batch(*numbers: int, refused: int = 0) -> Batch:
    records = [make_record(number) for number in numbers]
    rows = [request_row(each, n << 10, price) for n, each in zip(numbers, records, strict=True)]
    attempts = [
        row for n, each in zip(numbers, records, strict=True) for row in attempt_rows(each, n << 10)
    ]
    return Batch(rows, attempts, [(1, "host", refused)] if refused else [])


def numbers(batches: list[Batch]) -> list[int]:
    return [row.number >> 10 for batch in batches for row in batch.rows]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.spool"


def reopened(spool: Spool) -> Spool:
    spool.close()
    again = Spool(spool.path, ROOM)
    again.open()
    return again


def test_batches_come_back_as_they_were(path: Path) -> None:
    spool = Spool(path, ROOM)
    first, second = make_batch(1, 2, refused=3), make_batch(3)
    spool.append(first)
    spool.append(second)
    spool = reopened(spool)
    assert spool.waiting == 3
    batches, end = spool.peek(100)
    assert batches == [first, second]
    spool.drop(batches, end)
    assert (spool.waiting, spool.is_empty, spool.peek(1)[0]) == (0, True, [])
    spool.close()
    assert not path.exists()


def test_few_batches_are_taken_at_a_time(path: Path) -> None:
    spool = Spool(path, ROOM)
    for number in range(5):
        spool.append(make_batch(2 * number, 2 * number + 1))
    batches, end = spool.peek(3)
    assert numbers(batches) == [0, 1, 2, 3]
    spool.drop(batches, end)
    spool.append(make_batch(10))
    spool = reopened(spool)
    assert spool.waiting == 7
    assert numbers(spool.peek(100)[0]) == [4, 5, 6, 7, 8, 9, 10]
    spool.close()


def test_file_is_bounded(path: Path) -> None:
    spool = Spool(path, 3000)
    spool.append(make_batch(1))
    spool.append(make_batch(2))
    with pytest.raises(LedgerError, match="largest size"):
        spool.append(make_batch(*range(10)))
    assert 0 < spool.waiting < 10
    assert path.stat().st_size <= 3000
    batches, end = spool.peek(100)
    spool.drop(batches, end)
    spool.append(make_batch(1))
    spool.close()


@pytest.mark.skipif(os.name == "nt", reason="there are no such limits")
def test_batch_is_written_whole_or_not_at_all(path: Path) -> None:
    """When the disk gets full, the system writes a part, and says so by a number only."""
    import resource

    spool = Spool(path, ROOM)
    spool.append(make_batch(1))
    size = path.stat().st_size
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 1000, limits[1]))
    try:
        with pytest.raises(LedgerError, match="cannot be written"):
            spool.append(make_batch(*range(2, 20)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (spool.waiting, path.stat().st_size) == (1, size)
    spool.append(make_batch(20))
    spool = reopened(spool)
    assert numbers(spool.peek(100)[0]) == [1, 20]
    spool.close()


@pytest.mark.skipif(os.name == "nt", reason="there are no such permissions")
def test_file_is_private(path: Path) -> None:
    spool = Spool(path, ROOM)
    spool.append(make_batch(1))
    spool.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@given(cut=st.integers(min_value=1, max_value=2000))
def test_interrupted_batch_is_cut_off(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.mktemp("spool") / "ledger.spool"
    spool = Spool(path, ROOM)
    spool.append(make_batch(1))
    whole = path.stat().st_size
    spool.append(make_batch(2, 3, 4))
    size = path.stat().st_size
    spool.close()
    os.truncate(path, max(whole, size - cut))
    spool = Spool(path, ROOM)
    spool.append(make_batch(5))
    assert numbers(spool.peek(100)[0]) == [1, 5]
    spool = reopened(spool)
    assert spool.waiting == 2
    spool.close()


class DamageTests(SynchronousTestCase):
    """A damaged file is set aside, and said so."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        spool = Spool(self.path, ROOM)
        spool.append(make_batch(1))
        self.end = self.path.stat().st_size
        spool.append(make_batch(2))
        spool.close()

    def damage(self, place: int) -> Spool:
        data = bytearray(self.path.read_bytes())
        data[place] ^= 0xFF
        self.path.write_bytes(data)
        spool = Spool(self.path, ROOM)
        self.addCleanup(spool.close)
        return spool

    def test_damaged_head(self) -> None:
        spool = self.damage(0)
        spool.append(make_batch(3))
        self.assertEqual(numbers(spool.peek(100)[0]), [3])
        self.assertTrue(self.path.with_name(f"{self.path.name}.broken").exists())

    def test_damaged_file_does_not_replace_an_older_one(self) -> None:
        older = self.path.with_name(f"{self.path.name}.broken")
        older.parent.mkdir(exist_ok=True)
        older.write_text("older")
        self.damage(0).open()
        self.assertEqual(older.read_text(), "older")
        self.assertTrue(self.path.with_name(f"{self.path.name}.broken-2").exists())

    def test_rows_before_the_damage_are_used(self) -> None:
        spool = self.damage(self.end + 50)
        spool.open()
        batches, end = spool.peek(100)
        self.assertEqual(numbers(batches), [1])
        spool.drop(batches, end)
        self.assertEqual(spool.peek(100)[0], [])
        self.assertTrue(spool.is_empty)
        self.assertTrue(self.path.with_name(f"{self.path.name}.broken").exists())
