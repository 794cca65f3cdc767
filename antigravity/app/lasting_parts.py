"""The parts that a gateway has from its making to its end, whatever configuration is in force."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace
from twisted.internet.defer import DeferredSemaphore

from antigravity.accounts.files import AccountFiles
from antigravity.accounts.loader import AccountLoader
from antigravity.app.accounts import AccountServices
from antigravity.app.build import RuntimeBuilder, new_id
from antigravity.app.demo import DemoSimulator, demo_settings
from antigravity.app.gateway_state import GatewayState
from antigravity.app.home_ledger import HomeLedger
from antigravity.app.key_control import KeyControl
from antigravity.app.learned_state import LearnedState
from antigravity.app.metrics import GatewayMetrics
from antigravity.app.observers import Observers
from antigravity.app.running_parts import RunningParts
from antigravity.app.runtime import LoadedConfiguration, Runtime
from antigravity.app.summary_key import SummaryKey
from antigravity.app.traces import GatewayTraces
from antigravity.app.workers import Workers
from antigravity.config.settings import Settings
from antigravity.deferreds import call_in_thread
from antigravity.exchange.background import Background
from antigravity.exchange.operations.stored_responses import RESPONSES
from antigravity.exchange.services import Services
from antigravity.exchange.turns import Turns
from antigravity.ir.record import ExchangeRecord
from antigravity.plugins import PluginHost
from antigravity.services import Drain
from antigravity.stores.bounded_cache import BoundedCache
from antigravity.stores.published_files import PublishedFiles
from antigravity.transport.client import HttpTransport

if TYPE_CHECKING:
    from antigravity.workers.link import MainProcess

#: The maximum number of computing threads; more would only slow down the event loop.
_COMPUTING_THREADS: Final = 4


class LastingParts:
    """What outlives every reload.  Nothing runs yet: the gateway starts and stops each part.

    :param demo: whether a simulator serves every model; a demo stores no state.
    :param main: the main process of a worker, which stores no state either.
    :param keep: called with the record of each finished exchange.
    :param running: returns the parts of the running gateway.
    :param workers: returns the workers of the gateway.
    :ivar state_home: the home directory, if state is stored in it.
    :ivar state: what this gateway shares with others.
    """

    def __init__(
        self,
        reactor: Any,
        settings: Settings,
        home: Path,
        plugins: PluginHost,
        *,
        demo: bool,
        main: MainProcess | None,
        keep: Callable[[ExchangeRecord], None],
        running: Callable[[], RunningParts],
        workers: Callable[[], Workers],
    ) -> None:
        self._reactor = reactor
        self.state_home = state_home = None if demo or main is not None else home
        stored = state_home and state_home / "state"
        home_key = SummaryKey(None if demo else home / "state")
        self.demo = DemoSimulator(reactor) if demo else None
        self.state = GatewayState(reactor, home_key)
        self.keys = KeyControl(
            reactor, None if demo else home, self.state, None if main is None else main.spending
        )
        self.drain = Drain(reactor, settings.proxy.shutdown_grace)
        self.transport = HttpTransport(reactor, http_client=settings.proxy.http_client)
        self.background = Background(partial(call_in_thread, reactor))
        self.traces = GatewayTraces(reactor)
        self.observers = Observers(self.drain, plugins, keep)
        self.accounts = AccountServices(
            reactor, state_home, self.observers, self.state, None if main is None else home
        )
        self.learned = LearnedState(reactor, settings, stored, self.state.content, home_key)
        self.state.summaries = self.learned.summaries
        self.metrics = GatewayMetrics(
            reactor, self.accounts, self.learned.signatures, running, workers, demo=demo
        )
        written = self.metrics.add_rows, self.observers.rows_written
        self.ledger = HomeLedger(reactor, stored, *written)
        self._builder = RuntimeBuilder(
            reactor,
            home,
            self.transport,
            self.accounts.pool,
            None if demo else AccountLoader(AccountFiles(home)),
            self.state,
        )

    def build(self, configuration: LoadedConfiguration) -> Runtime:
        """Return what a configuration describes; that of a demo has the simulator only."""
        if self.demo is not None:
            settings = demo_settings(configuration.settings, self.demo.address)
            configuration = replace(configuration, settings=settings)
        return self._builder.build(configuration)

    def exchange_services(self, settings: Settings) -> Services:
        """Return what serving a request needs; a reload changes the limits of its stores."""
        reactor, responses, images = self._reactor, settings.responses, settings.images
        computing = DeferredSemaphore(_COMPUTING_THREADS)
        conversations = BoundedCache(
            time.monotonic,
            max_entries=responses.max_entries,
            max_bytes=responses.max_bytes,
            ttl=responses.ttl,
        )
        self.state.content.kind(RESPONSES).on_drop = conversations.delete
        return Services(
            clock=reactor,
            transport=self.transport,
            signatures=self.learned.signatures,
            calibration=self.learned.calibration,
            contexts=self.learned.contexts,
            conversations=conversations,
            files=PublishedFiles(
                time.monotonic,
                max_bytes=images.url_max_bytes,
                ttl=images.url_ttl,
                shared=self.state.content.kind("file"),
            ),
            content=self.state.content,
            new_id=new_id,
            started=self.observers.exchange_started,
            finished=self.observers.exchange_finished,
            in_thread=partial(computing.run, call_in_thread, reactor),
            background=self.background,
            turns=Turns(reactor),
            refusals=self.learned.refusals,
            summaries=self.learned.summaries,
            traces=self.traces.source,
            keys=self.keys.gate,
            pricer=self.ledger.pricer,
        )
