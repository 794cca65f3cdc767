"""The checks of ``antigravity doctor`` that ask the shared state, and the database of the keys.

That of the state runs in a process of its own, because a client may use the reactor that is
installed globally.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

import click

from antigravity.app.gateway_state import check_state
from antigravity.cli.invocation import Invocation
from antigravity.cli.key_store import load_keys
from antigravity.config.errors import ConfigurationError
from antigravity.config.key_settings import HOME_FILES, key_store_url
from antigravity.config.settings import Settings
from antigravity.config.state_settings import StateSettings
from antigravity.interfaces.system import Finding
from antigravity.state.kinds import find_kind

#: Seconds that the process may take.
_TIMEOUT: Final = 30.0
_REMEDY: Final = "check state.url, and that its server runs and lets this machine connect"


def key_findings(invocation: Invocation, settings: Settings) -> Iterator[Finding]:
    """Check that the keys of clients can be read, if they are not in the home directory."""
    if key_store_url(settings.keys, settings.ledger) == HOME_FILES:
        return
    try:
        found = load_keys(invocation)
    except click.ClickException as error:
        remedy = "check keys.url, or ledger.url, and that its server runs and lets this machine in"
        yield Finding("keys", "failed", error.message, remedy)
        return
    for problem in (found.problem, *found.damaged):
        if problem:
            yield Finding("keys", "failed", problem, "repair or remove that key in the database")
    yield Finding("keys", "ok", f"{len(found.records)} keys can be read from the database")


def state_findings(
    invocation: Invocation, settings: StateSettings, kinds: Mapping[str, Any], *, online: bool
) -> Iterator[Finding]:
    """Check the address of the shared state and, if ``online``, that it can be used."""
    if not settings.url:
        return
    try:
        check_state(settings, kinds)
    except ConfigurationError as error:
        yield Finding("state", "failed", str(error), "set state.url to another address")
        return
    if not online:
        return
    url = settings.url.reveal()
    name = find_kind(url, kinds).name(url)
    place = [str(invocation.home), *([str(f)] if (f := invocation.config_file) else [])]
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter and our module
            [sys.executable, "-m", "antigravity.cli.state_probe", *place],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        detail = f"{name} does not answer within {_TIMEOUT:g} s"
        yield Finding("state", "failed", detail, _REMEDY)
        return
    lines = done.stdout.strip().splitlines() or ["the check has failed"]
    if done.returncode == 0:
        yield Finding("state", "ok", f"{name} can be used: {lines[-1]}")
        if not settings.secret and not url.startswith("unix:"):
            yield Finding(
                "state",
                "warning",
                "gateways do not share contents of requests: a response that one has stored is "
                "absent at others",
                "set the same state.secret in all of them",
            )
    else:
        yield Finding("state", "failed", f"{name}: {lines[-1]}", _REMEDY)
