"""Report exchanges and changes of accounts to plugins, and exchanges to the ledger."""

from __future__ import annotations

from collections.abc import Callable

from antigravity.interfaces.accounts import AccountChange
from antigravity.ir.record import ExchangeRecord
from antigravity.plugins import PluginHost
from antigravity.services import Drain


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

    def account_changed(self, change: AccountChange) -> None:
        """Report an account that was locked, disabled or protected, or is available again."""
        self.plugins.notify("account_changed", change=change)
