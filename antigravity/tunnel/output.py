"""Parse and clean the output lines of cloudflared."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final, Literal

import msgspec
from msgspec import Struct

from antigravity.ir.json_reader import decode
from antigravity.processes.log_lines import LogLineCleaner

Level = Literal["debug", "info", "warn", "error"]

_LINE: Final = re.compile(r"\d{4}-\d\d-\d\dT\S+ (DBG|INF|WRN|ERR|FTL|PNC) (.*)")
_LEVELS: Final[dict[str, Level]] = {"DBG": "debug", "INF": "info", "WRN": "warn"}
#: The API that assigns addresses is in the same domain.
_QUICK: Final = re.compile(r"https://(?!api\.)([a-z0-9-]+\.trycloudflare\.com)\b", re.IGNORECASE)
_REGISTERED: Final = re.compile(
    r"\bRegistered tunnel connection|Connection [0-9a-f-]{36} registered", re.IGNORECASE
)
_LOST: Final = re.compile(r"Unregistered tunnel connection|Connection terminated|Lost connection")
_INDEX: Final = re.compile(r"connIndex=(\d+)")
_CONFIGURATION: Final = re.compile(r'Updated to new configuration config=("(?:[^"\\]|\\.)*")')
_PERMANENT_FAILURE: Final = re.compile(
    r"token is not valid|Invalid tunnel secret|Unauthorized: Tunnel not found", re.IGNORECASE
)
#: Errors for a quick tunnel that Cloudflare has removed: its address no longer exists.
_UNKNOWN_TUNNEL: Final = re.compile(
    r"Unauthorized: (?:Tunnel not found|Failed to get tunnel)|Tunnel not found|"
    r"tunnel .{0,80}\b(?:does not exist|was deleted|has been deleted)",
    re.IGNORECASE,
)
#: Failed requests are logged with their whole address.  A query can hold a client's key, and the
#: name of a file is enough to download it.
_REQUESTED_ADDRESS: Final = re.compile(r"(https?://[^\s\"?]*?(?:/files/|\?))[^\s\"]+")
_HELP: Final = re.compile(r"See 'cloudflared .*--help'")


class LogLine(Struct, frozen=True):
    """One line of output; ``is_log`` tells log lines from other output."""

    level: Level
    text: str
    is_log: bool

    @property
    def is_reason(self) -> bool:
        """Whether the line can be the reason if cloudflared exits."""
        is_error = self.level == "error" or not self.is_log
        return is_error and bool(self.text) and not _HELP.search(self.text)


class Origin(Struct, frozen=True):
    """A host name of a tunnel, and the service to which Cloudflare forwards its requests."""

    service: str = ""
    hostname: str = ""


class _Configuration(Struct, frozen=True):
    ingress: list[Origin] = []


class _TokenParts(Struct, frozen=True):
    s: str = ""


class OutputCleaner(LogLineCleaner):
    """A cleaner that removes the tunnel's token and clients' queries from lines."""

    def __init__(self, token: str = "") -> None:
        super().__init__((token, _secret_in(token)))

    def clean(self, line: str) -> str:
        """Return ``line`` for the log, without secrets and clients' queries."""
        return super().clean(_REQUESTED_ADDRESS.sub(r"\1[hidden]", line))


def _secret_in(token: str) -> str:
    """Return the secret inside a token, ``""`` if there is none."""
    try:
        plain = base64.b64decode(token + "=" * (-len(token) % 4), validate=True)
        return decode(plain, _TokenParts).s
    except (binascii.Error, ValueError):
        return ""


def parse_line(line: str) -> LogLine:
    """Return a parsed line."""
    match = _LINE.fullmatch(line)
    if match is None:
        return LogLine("info", line, False)
    return LogLine(_LEVELS.get(match[1], "error"), match[2].strip(), True)


def find_quick_host_name(text: str) -> str:
    """Return the host name of a quick tunnel, ``""`` if ``text`` does not report one."""
    match = _QUICK.search(text)
    return match[1].lower() if match else ""


def registered_connection(text: str) -> str | None:
    """Return the number of the new connection to Cloudflare, or ``None``."""
    return _index(text) if _REGISTERED.search(text) else None


def lost_connection(text: str) -> str | None:
    """Return the number of the lost connection to Cloudflare, ``None`` if the text reports none."""
    return _index(text) if _LOST.search(text) else None


def _index(text: str) -> str:
    match = _INDEX.search(text)
    return match[1] if match else "0"


def parse_origins(line: str) -> tuple[Origin, ...] | None:
    """Return the origins of a tunnel, ``None`` if the ``line`` does not report them."""
    match = _CONFIGURATION.search(line)
    if match is None:
        return None
    try:
        text = decode(match[1], str)
        found = decode(text, _Configuration).ingress
    except msgspec.DecodeError:
        return None
    return tuple(origin for origin in found if origin.hostname)


def is_permanent_failure(text: str) -> bool:
    """Return whether a restart with the same token would fail again."""
    return bool(_PERMANENT_FAILURE.search(text))


def unknown_tunnel_connection(text: str) -> str | None:
    """Return the number of the connection that Cloudflare refused because of an unknown tunnel."""
    return _index(text) if _UNKNOWN_TUNNEL.search(text) else None
