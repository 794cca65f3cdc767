"""The options with which commands choose finished requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypedDict

import click

_FORMS: Final = "24h, 7d, today or 2026-11-30"
_Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class Filters(TypedDict):
    """The values of :func:`filter_options`: ``None`` for any."""

    model: str | None
    account: str | None
    upstream: str | None
    client: str | None


class RowFilters(Filters):
    """Those, and the value of :data:`session_option`."""

    session: str | None


def time_options(default: str | None = None) -> _Decorator:
    """Return a decorator that adds ``--since`` and ``--until``.

    :param default: of ``--since``, ``None`` for all that are kept.
    """
    since = click.option(
        "--since",
        default=default,
        show_default=default is not None,
        help=f"Only requests since then: {_FORMS}.",
    )
    until = click.option(
        "--until",
        default=None,
        help="Only requests until then, in the same forms (default: now).",
    )
    return lambda function: since(until(function))


def filter_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options whose values, ``None`` for any, are fields of questions to the ledger."""
    helps = {
        "model": "Only requests that this model served.",
        "account": "Only requests of this account.",
        "upstream": "Only requests of this upstream.",
        "client": "Only requests of this client, such as claude-code.",
    }
    for name in reversed(helps):
        function = click.option(f"--{name}", default=None, help=helps[name])(function)
    return function


#: Adds ``--session``, which the sums of usage do not have.
session_option: Final = click.option(
    "--session", default=None, help="Only requests of this session of Claude Code."
)
