"""``antigravity tunnel install``: download cloudflared."""

from __future__ import annotations

import re
import sys
from typing import Any

import click

from antigravity.cli.group import Command
from antigravity.cli.invocation import Invocation, command_options
from antigravity.cli.reactor import run
from antigravity.tunnel.download import ReleaseDownload, check_address
from antigravity.tunnel.install import GITHUB_API, find_release
from antigravity.tunnel.install import install as install_program
from antigravity.tunnel.release import InstallError


@click.command(cls=Command)
@command_options
@click.option("--version", default="", help="The release, such as 2026.3.0 (default: the latest).")
@click.option("--sha256", default="", help="The expected digest of the download.")
@click.option(
    "--api",
    default=GITHUB_API,
    show_default=True,
    help="The API that lists releases: GitHub's, or a mirror.",
)
@click.option(
    "--http-proxy",
    default="",
    envvar=["HTTPS_PROXY", "https_proxy"],
    help="The HTTP proxy to use (default: $HTTPS_PROXY).",
)
def install(invocation: Invocation, version: str, sha256: str, api: str, http_proxy: str) -> None:
    """Download cloudflared into the folder bin of the home directory.

    The file is Cloudflare's release on GitHub for this machine.  It is installed only if its
    SHA-256 is the one that GitHub lists, or the one of --sha256.
    """
    if sha256 and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise click.BadParameter("a SHA-256 has 64 hexadecimal digits", param_hint="--sha256")

    async def work(reactor: Any, transport: Any) -> dict[str, str]:
        web = ReleaseDownload(transport, http_proxy)
        asset = await find_release(web, check_address(api), version, sha256)
        hidden = invocation.as_json or not sys.stderr.isatty()
        label = f"cloudflared {asset.version}"
        with click.progressbar(
            length=asset.size, label=label, file=sys.stderr, hidden=hidden, show_eta=True
        ) as bar:
            path = await install_program(
                web, asset, invocation.home, lambda seen, size: bar.update(seen - bar.pos)
            )
        return {"version": asset.version, "path": str(path), "sha256": asset.sha256}

    try:
        data = run(work)
    except InstallError as error:
        raise click.ClickException(f"cloudflared is not installed: {error}") from None
    text = f"cloudflared {data['version']} is installed: {data['path']}"
    invocation.show(data, f"{text}\nSHA-256 of the download: {data['sha256']}.")
