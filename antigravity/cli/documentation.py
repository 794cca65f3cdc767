"""``antigravity docs``: open the documentation that came with the installation."""

from __future__ import annotations

import os
import webbrowser

import click

from antigravity.cli.browser_login import has_browser
from antigravity.cli.group import Command
from antigravity.cli.invocation import Invocation, command_options
from antigravity.version import DOCUMENTATION

_MISSING = (
    "This installation has no built documentation.  Run make docs in a checkout, or install a "
    "wheel that make wheel has built."
)


@click.command(cls=Command)
@click.option(
    "--print", "only_print", is_flag=True, help="Print the address instead of opening a browser."
)
@command_options
def docs(invocation: Invocation, only_print: bool) -> None:
    """Open the documentation in a browser; it needs no network."""
    page = DOCUMENTATION / "index.html"
    if not page.is_file():
        raise click.ClickException(_MISSING)
    address = page.as_uri()
    opened = (
        not only_print
        and not invocation.as_json
        and has_browser(os.environ)
        and webbrowser.open(address)
    )
    text = "The documentation opens in your browser." if opened else address
    invocation.show({"url": address}, text)
