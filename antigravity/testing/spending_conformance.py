"""Tests that every backend of spending must pass; see ``interfaces/spending.py``.

Mix :class:`SpendingConformance` into a test case of ``twisted.trial``::

    class MySpendingTests(SpendingConformance, TestCase):
        async def open_spending(self):
            return MySpending(...)
"""

# The names of the tests say what they test, and those of the test case are not ours.
# ruff: noqa: D102, N815

from __future__ import annotations

from typing import Any

from twisted.internet.defer import gatherResults
from zope.interface.verify import verifyObject

from antigravity.interfaces.spending import (
    ISpending,
    ISpendingRenewal,
    SpendClaim,
    Spending,
    SpendReply,
)

#: No limit, as far as these tests go.
_ANY = 10**15


class SpendingConformance:
    """The tests; a backend says how to open it."""

    # What a test case has.
    assertEqual: Any
    assertTrue: Any
    assertFalse: Any

    async def open_spending(self) -> Any:
        """Return a started backend; each call is another process with the same, empty accounts."""
        raise NotImplementedError

    async def pass_ttl(self) -> None:
        """Let reservations that were made before be older than ``RESERVATION_TTL``."""
        raise NotImplementedError

    async def reserve(
        self, spending: Any, name: str, amount: int, limit: int = _ANY, account: str = "key_a/day"
    ) -> SpendReply:
        """Reserve an amount of one account."""
        reply: SpendReply = await spending.reserve(
            name, [SpendClaim(account, "2026-11-30", amount, limit)]
        )
        return reply

    async def look(self, spending: Any, account: str = "key_a/day") -> tuple[int, int]:
        """Return what was spent of an account, and what is reserved."""
        found = (await spending.look([(account, "2026-11-30")]))[0]
        return found.spent, found.reserved

    async def test_backend_provides_interface(self) -> None:
        verifyObject(ISpending, await self.open_spending())

    async def test_limit_holds(self) -> None:
        spending, other = await self.open_spending(), await self.open_spending()
        first = await self.reserve(spending, "1", 600, 1000)
        self.assertEqual(first, SpendReply(True, (Spending(0, 600),)))
        refused = await self.reserve(other, "2", 401, 1000)
        self.assertEqual(refused, SpendReply(False, (Spending(0, 600),)))
        self.assertTrue((await self.reserve(other, "2", 400, 1000)).granted)
        self.assertEqual(await self.look(spending), (0, 1000))

    async def test_limit_holds_with_many_reservations_at_once(self) -> None:
        spendings = [await self.open_spending() for _ in range(2)]
        tries = [
            spendings[n % 2].reserve(
                f"r{n}",
                [SpendClaim("key_a/day", "d", 7, 25), SpendClaim("key_a/total", "total", 7, _ANY)],
            )
            for n in range(200)
        ]
        found = await gatherResults(tries, consumeErrors=True)
        self.assertEqual(sum(each.granted for each in found), 3)
        states = await spendings[1].look([("key_a/day", "d"), ("key_a/total", "total")])
        self.assertEqual(list(states), [Spending(0, 21), Spending(0, 21)])

    async def test_claims_are_granted_together_or_not_at_all(self) -> None:
        spending = await self.open_spending()
        claims = [SpendClaim("key_a/total", "total", 5, _ANY), SpendClaim("key_a/day", "d", 5, 4)]
        self.assertFalse((await spending.reserve("1", claims)).granted)
        found = await spending.look([("key_a/total", "total"), ("key_a/day", "d")])
        self.assertEqual(list(found), [Spending(), Spending()])

    async def test_reservation_is_settled_once_by_anyone(self) -> None:
        spending, other = await self.open_spending(), await self.open_spending()
        await self.reserve(spending, "1", 600)
        await self.reserve(spending, "2", 50)
        await spending.settle("1", 70)
        self.assertEqual(await self.look(other), (70, 50))
        await spending.settle("1", 70)
        await spending.settle("never made", 1000)
        self.assertEqual(await self.look(spending), (70, 50))
        await spending.settle("2", 0)
        self.assertEqual(await self.look(other), (70, 0))

    async def test_more_can_be_spent_than_was_reserved(self) -> None:
        spending = await self.open_spending()
        await self.reserve(spending, "1", 10, 10)
        await spending.settle("1", 25)
        self.assertEqual(await self.look(spending), (25, 0))
        self.assertFalse((await self.reserve(spending, "2", 1, 10)).granted)

    async def test_reservation_grows(self) -> None:
        spending = await self.open_spending()
        await self.reserve(spending, "1", 600, 1000)
        self.assertEqual((await self.reserve(spending, "1", 300, 1000)).states, (Spending(0, 900),))
        self.assertFalse((await self.reserve(spending, "1", 200, 1000)).granted)
        self.assertEqual(await self.look(spending), (0, 900))
        await spending.settle("1", 1)
        self.assertEqual(await self.look(spending), (1, 0))

    async def test_amounts_are_large(self) -> None:
        spending = await self.open_spending()
        amount = 10**18
        self.assertTrue((await self.reserve(spending, "1", amount, amount)).granted)
        self.assertFalse((await self.reserve(spending, "2", amount, amount)).granted)
        await spending.settle("1", amount)
        self.assertEqual(await self.look(spending), (amount, 0))

    async def test_another_period_begins_anew(self) -> None:
        spending = await self.open_spending()
        await self.reserve(spending, "1", 10, 10)
        found = await spending.reserve("2", [SpendClaim("key_a/day", "2026-12-01", 10, 10)])
        self.assertTrue(found.granted)
        await spending.settle("1", 10)
        found = await spending.look([("key_a/day", "2026-12-01")])
        self.assertEqual(list(found), [Spending(0, 10)])

    async def test_accounts_are_apart(self) -> None:
        spending = await self.open_spending()
        await self.reserve(spending, "1", 10, 10, "key_a/day")
        self.assertTrue((await self.reserve(spending, "2", 10, 10, "key_b/day")).granted)
        self.assertEqual(await self.look(spending, "key_c/day"), (0, 0))

    async def test_reservation_that_is_not_settled_is_released(self) -> None:
        spending = await self.open_spending()
        await self.reserve(spending, "1", 600, 1000)
        await self.pass_ttl()
        await self.reserve(spending, "2", 5, 1000)
        self.assertEqual(await self.look(spending), (0, 5))

    async def test_late_settlement_counts(self) -> None:
        spending = await self.open_spending()
        await self.reserve(spending, "1", 600, 1000)
        await self.pass_ttl()
        self.assertEqual(await self.look(spending), (0, 0))
        await self.reserve(spending, "2", 50, 1000)
        await spending.settle("1", 70)
        await spending.settle("1", 70)
        self.assertEqual(await self.look(spending), (70, 50))

    async def test_renewed_reservation_counts(self) -> None:
        """Of backends that provide :class:`ISpendingRenewal`."""
        spending = await self.open_spending()
        renewal: Any = ISpendingRenewal(spending, None)
        if renewal is None:
            return
        await self.reserve(spending, "1", 600, 1000)
        await self.reserve(spending, "2", 50, 1000)
        await self.pass_ttl()
        await renewal.renew(["1", "never made"])
        self.assertEqual(await self.look(spending), (0, 600))
        self.assertFalse((await self.reserve(spending, "3", 500, 1000)).granted)
        await spending.settle("1", 70)
        await renewal.renew(["1"])
        self.assertEqual(await self.look(spending), (70, 0))
        await self.reserve(spending, "3", 930, 1000)
        await self.pass_ttl()
        self.assertEqual(await self.look(spending), (70, 0))
