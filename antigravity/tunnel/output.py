"""What cloudflared says, line by line: read for what it means, cleaned for the log."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final, Literal

import msgspec
from msgspec import Struct

from antigravity.ir.json_reader import decode
from antigravity.processes.log_lines import Cleaner as LogLineCleaner

Level = Literal["debug", "info", "warn", "error"]

_LINE: Final = re.compile(r"\d{4}-\d\d-\d\dT\S+ (DBG|INF|WRN|ERR|FTL|PNC) (.*)")
_LEVELS: Final[dict[str, Level]] = {"DBG": "debug", "INF": "info", "WRN": "warn"}
#: The service that hands out addresses is below the same domain.
_QUICK: Final = re.compile(r"https://(?!api\.)([a-z0-9-]+\.trycloudflare\.com)\b", re.IGNORECASE)
_REGISTERED: Final = re.compile(
    r"\bRegistered tunnel connection|Connection [0-9a-f-]{36} registered", re.IGNORECASE
)
_LOST: Final = re.compile(r"Unregistered tunnel connection|Connection terminated|Lost connection")
_INDEX: Final = re.compile(r"connIndex=(\d+)")
_CONFIGURATION: Final = re.compile(r'Updated to new configuration config=("(?:[^"\\]|\\.)*")')
_HOPELESS: Final = re.compile(
    r"token is not valid|Invalid tunnel secret|Unauthorized: Tunnel not found", re.IGNORECASE
)
#: What Cloudflare says of a quick tunnel that it has given up: its address no longer exists.
_GONE: Final = re.compile(
    r"Unauthorized: (?:Tunnel not found|Failed to get tunnel)|Tunnel not found|"
    r"tunnel .{0,80}\b(?:does not exist|was deleted|has been deleted)",
    re.IGNORECASE,
)
#: Failed requests are told with their whole address: a query may hold a client's key, and the
#: name of a file is all that it takes to have it.
_ASKED: Final = re.compile(r"(https?://[^\s\"?]*?(?:/files/|\?))[^\s\"]+")
_HELP: Final = re.compile(r"See 'cloudflared .*--help'")


class LogLine(Struct, frozen=True):
    """One line.  ``is_log`` tells lines of its log from all else that it prints."""

    level: Level
    text: str
    is_log: bool

    @property
    def is_reason(self) -> bool:
        """Whether it may say why cloudflared ends, if it does."""
        told = self.level == "error" or not self.is_log
        return told and bool(self.text) and not _HELP.search(self.text)


class Origin(Struct, frozen=True):
    """A public name of a tunnel, and where Cloudflare sends what asks for it."""

    service: str = ""
    hostname: str = ""


class _Configuration(Struct, frozen=True):
    ingress: list[Origin] = []


class _TokenParts(Struct, frozen=True):
    s: str = ""


class Cleaner(LogLineCleaner):
    """Takes the token out of lines, and what else must not be in a log."""

    def __init__(self, token: str = "") -> None:
        super().__init__((token, _secret_in(token)))

    def clean(self, line: str) -> str:
        """Return ``line`` fit for the log, without what clients have asked for."""
        return super().clean(_ASKED.sub(r"\1[hidden]", line))


def _secret_in(token: str) -> str:
    """Return the secret that a token wraps, ``""`` if it wraps none."""
    try:
        plain = base64.b64decode(token + "=" * (-len(token) % 4), validate=True)
        return decode(plain, _TokenParts).s
    except (binascii.Error, ValueError):
        return ""


def parse_line(line: str) -> LogLine:
    """Return what a clean line is."""
    match = _LINE.fullmatch(line)
    if match is None:
        return LogLine("info", line, False)
    return LogLine(_LEVELS.get(match[1], "error"), match[2].strip(), True)


def find_quick_address(text: str) -> str:
    """Return the name that a quick tunnel was given, ``""`` if ``text`` tells none."""
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


def origins(line: str) -> tuple[Origin, ...] | None:
    """Return where a tunnel's names lead, if the whole ``line`` tells that."""
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
    """Return whether trying again with the same token can't help."""
    return bool(_HOPELESS.search(text))


def unknown_tunnel_connection(text: str) -> str | None:
    """Return the number of the connection that Cloudflare refused as to no tunnel it knows."""
    return _index(text) if _GONE.search(text) else None
