"""Report exchanges and changes of accounts to plugins, and exchanges to the ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from antigravity.interfaces.accounts import AccountChange
from antigravity.ir.record import ExchangeRecord
from antigravity.plugins import PluginHost
from antigravity.services import Drain

if TYPE_CHECKING:
    from antigravity.ledger.rows import RequestRow


class Observers:
    """The notification of plugins; running exchanges are counted in ``drain``.

    :param keep: called with the record of every finished exchange.
    :ivar plugins: the plugins of the configuration in force.
    """

    def __init__(
        self, drain: Drain, plugins: PluginHost, keep: Callable[[ExchangeRecord], None]
    ) -> None:
        self._drain = drain
        self._keep = keep
        self.plugins = plugins

    def exchange_started(self, record: ExchangeRecord) -> None:
        """Report a request that is about to be served."""
        self._drain.enter(record)
        self.plugins.notify("exchange_started", record=record)

    def exchange_finished(self, record: ExchangeRecord) -> None:
        """Report a request that has ended in any way."""
        self._drain.leave(record)
        self._keep(record)
        self.plugins.notify("exchange_finished", record=record)

    def call_started(self, record: ExchangeRecord) -> None:
        """Report a call of a tool; running ones are counted by the endpoint."""
        self.plugins.notify("exchange_started", record=record)

    def call_finished(self, record: ExchangeRecord) -> None:
        """Report a call of a tool that has ended in any way."""
        self._keep(record)
        self.plugins.notify("exchange_finished", record=record)

    def rows_written(self, rows: Sequence[RequestRow]) -> None:
        """Report rows of the ledger, if a plugin watches them."""
        if rows and self.plugins.is_watched("requests_recorded"):
            from antigravity.ledger.answers import summary

            found = [summary(msgspec.structs.asdict(row)) for row in rows]
            self.plugins.notify("requests_recorded", requests=found)

    def account_changed(self, change: AccountChange) -> None:
        """Report an account that was locked, disabled or protected, or is available again."""
        self.plugins.notify("account_changed", change=change)
