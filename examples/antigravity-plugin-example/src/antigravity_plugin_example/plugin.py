"""The hooks of the plugin; the entry point names this module."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from antigravity.hookspecs import hookimpl
from antigravity.interfaces.ledger import RequestSummary
from antigravity.ir.record import ExchangeRecord
from antigravity_plugin_example.cellar import CellarKind
from antigravity_plugin_example.greeting import GreetingFilter
from antigravity_plugin_example.mcp_objects import Countdown, Limerick, Reverse
from antigravity_plugin_example.say import SAY
from antigravity_plugin_example.visits import Visits

Register = Callable[..., None]

visits = Visits()


@hookimpl
def register_protocols(register: Register) -> None:
    register(SAY)


@hookimpl
def register_upstreams(register: Register) -> None:
    register(CellarKind())


@hookimpl
def register_warmup_filters(register: Register, settings: Mapping[str, Any]) -> None:
    register(GreetingFilter(settings.get("client", "polite-client")))


@hookimpl
def register_mcp_tools(register: Register) -> None:
    register(Reverse())
    register(Countdown())


@hookimpl
def register_mcp_prompts(register: Register) -> None:
    register(Limerick())


@hookimpl
def register_routes(register: Register) -> None:
    register("GET", "/example/visits", visits.show)


@hookimpl
def register_admin_routes(register: Register) -> None:
    register(visits.route())


@hookimpl
def register_dashboard_pages(register: Register) -> None:
    register(visits.page())


@hookimpl
def register_commands(register: Register) -> None:
    from antigravity_plugin_example import command  # the gateway needs no commands

    register(command.visits)


@hookimpl
def requests_recorded(requests: Sequence[RequestSummary]) -> None:
    visits.add_costs(requests)


@hookimpl
def exchange_finished(record: ExchangeRecord) -> None:
    visits.count(record)
