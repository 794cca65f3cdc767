"""``antigravity dashboard``: open the dashboard of the running gateway in a browser."""

from __future__ import annotations

import os
import webbrowser

import click

from antigravity.cli.administration import find_gateway, request_admin
from antigravity.cli.browser_login import has_browser
from antigravity.cli.group import Command
from antigravity.cli.invocation import Invocation, command_options


@click.command(cls=Command)
@click.option(
    "--print", "only_print", is_flag=True, help="Print the link instead of opening a browser."
)
@command_options
def dashboard(invocation: Invocation, only_print: bool) -> None:
    """Open the dashboard in a browser, signed in."""
    data = request_admin(invocation, "/admin/dashboard/link", "POST")
    address = find_gateway(invocation, invocation.gateway_configuration().settings.proxy)
    link = f"{address}{data['path']}"
    opened = (
        not only_print
        and not invocation.as_json
        and has_browser(os.environ)
        and webbrowser.open(link)
    )
    text = link if only_print else f"The link works once, for {data['expires_in']:g} s:\n{link}"
    if opened:
        text = "The dashboard opens in your browser."
    invocation.show({"url": link, "expires_in": data["expires_in"]}, text)
