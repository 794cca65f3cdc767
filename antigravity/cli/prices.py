"""``antigravity prices`` and its subcommands: the price list."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import click
import msgspec

from antigravity.accounts.files import AccountFiles
from antigravity.accounts.upstreams import all_upstreams
from antigravity.app.prices import PRICES_FILE, RequestPricer, load_prices, price_rules
from antigravity.cli.group import Group
from antigravity.cli.invocation import Invocation, command_options
from antigravity.cli.terminal import table
from antigravity.config.atomic import write_private
from antigravity.prices.convert import convert
from antigravity.prices.table import Price, check_table, load_table

#: Where genai-prices publishes its data.
DATA_URL: Final = "https://raw.githubusercontent.com/pydantic/genai-prices/main/prices/data.json"
_MAX_BYTES: Final = 32 * 1024 * 1024
_TIMEOUT: Final = 60.0


@click.group(cls=Group)
def prices() -> None:
    """Show what models cost, or replace the price list."""


@prices.command()
@click.argument("model")
@click.option("--upstream", default=None, help="Only at this upstream.")
@command_options
def show(invocation: Invocation, model: str, upstream: str | None) -> None:
    """Show what MODEL costs at each upstream of the configuration."""
    settings = invocation.configuration().settings
    records, _ = AccountFiles(invocation.home).load()
    upstreams = all_upstreams(settings, records)
    pricer = RequestPricer(_directory(invocation))
    rules = price_rules(settings.prices, upstreams)
    pricer.use(rules)
    found = []
    for name in upstreams:
        if upstream in (None, name):
            source, known = pricer.prices(name, model, time.time())
            found.append(
                {
                    "upstream": name,
                    "source": source or None,
                    "flat_rate": name in rules.flat_rate,
                    "prices": {key: _as_json(price) for key, price in known.items()},
                }
            )
    rows = [(str(each["upstream"]), *_cells(each)) for each in found]
    head = ("UPSTREAM", "PRICES", "SOURCE")
    none = (
        "There is no upstream; 'antigravity accounts add' adds one."
        if upstream is None
        else f"There is no upstream {upstream!r}."
    )
    text = table(head, rows) if rows else none
    invocation.show({"model": model, "upstreams": found}, text)


@prices.command()
@click.argument("source", default=DATA_URL)
@command_options
def update(invocation: Invocation, source: str) -> None:
    """Replace the price list.

    SOURCE is a file or an https address, with a price list of the gateway, or the data.json of
    genai-prices (the default: its newest data).  The gateway uses it after its next start or
    reload.
    """
    data = _read(source)
    try:
        if data.lstrip().startswith(b"["):
            today = datetime.now(UTC).date().isoformat()
            data = convert(msgspec.json.decode(data), today)
        version = check_table(data).version
    except (ValueError, RecursionError) as error:
        raise click.ClickException(f"{source} is no price list: {error}") from None
    directory = _directory(invocation)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(directory / PRICES_FILE, data)
    invocation.show({"version": version}, f"The price list is {version} now.")


@prices.command()
@command_options
def reset(invocation: Invocation) -> None:
    """Use the price list that ships with the gateway again."""
    (_directory(invocation) / PRICES_FILE).unlink(missing_ok=True)
    version = load_table().version
    invocation.show({"version": version}, f"The price list is {version} now.")


@prices.command()
@command_options
def version(invocation: Invocation) -> None:
    """Show the version of the price list."""
    found = load_prices(_directory(invocation)).version
    invocation.show({"version": found}, found)


def _directory(invocation: Invocation) -> Path:
    return invocation.home / "state"


class _HttpsRedirects(HTTPRedirectHandler):
    """Follows redirects to https addresses only."""

    def redirect_request(
        self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        """Return the request for a redirect.

        :raises URLError: if it leads to an address that is not https.
        """
        if urlsplit(newurl).scheme != "https":
            raise URLError(f"it redirects to {newurl[:200]!r}, which is no https address")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _read(source: str) -> bytes:
    """Return the content of a file or of an https address.

    :raises click.ClickException: if it cannot be read, or is too large.
    """
    parts = urlsplit(source)
    is_file = parts.scheme in ("", "file") or len(parts.scheme) == 1  # a drive of Windows
    if not is_file and parts.scheme != "https":
        raise click.ClickException(f"{source} is no file and no https address")
    try:
        if is_file:
            with Path(parts.path if parts.scheme == "file" else source).open("rb") as file:
                data = file.read(_MAX_BYTES + 1)
        else:
            data = _download(source)
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise click.ClickException(f"{source} cannot be read: {reason}") from None
    if len(data) > _MAX_BYTES:
        raise click.ClickException(f"{source} is larger than {_MAX_BYTES} bytes")
    return data


def _download(address: str) -> bytes:
    """Return the beginning of what is at an https address."""
    request = Request(address, headers={"User-Agent": "antigravity"})  # noqa: S310 - https
    with build_opener(_HttpsRedirects).open(request, timeout=_TIMEOUT) as response:
        data: bytes = response.read(_MAX_BYTES + 1)
    return data


def _as_json(price: Price) -> Any:
    if not price.tiers:
        return float(price.base)
    tiers = [{"above": tier.start, "price": float(tier.price)} for tier in price.tiers]
    return {"base": float(price.base), "tiers": tiers}


def _cells(found: dict[str, Any]) -> tuple[str, str]:
    known = [f"{key} {_text(price)}" for key, price in found["prices"].items()]
    text = ", ".join(known) or "unpriced"
    return (f"flat rate ({text})" if found["flat_rate"] else text), found["source"] or "-"


def _text(price: Any) -> str:
    if isinstance(price, dict):
        tiers = "".join(f", {each['price']:g} above {each['above']}" for each in price["tiers"])
        return f"{price['base']:g} ({tiers.removeprefix(', ')})"
    return f"{price:g}"
