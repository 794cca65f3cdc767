"""The parsed request line and headers of a request."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from os import urandom
from time import time
from typing import Final
from urllib.parse import unquote_to_bytes

from antigravity.config.keys import trim_key
from antigravity.ir.record import ExchangeRecord
from antigravity.web.authentication import (
    CREDENTIAL_HEADERS,
    CREDENTIAL_PARAMETERS,
    FILES_PATH,
    bearer,
)
from antigravity.web.trusted_proxies import ForwardedClient, TrustedProxies
from antigravity.web.tunnel_access import TunnelAccess

_VALID_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")
_ABSOLUTE: Final = re.compile(r"https?://([^/?#]*)([^#]*)", re.IGNORECASE)
_MOST_PARAMETERS: Final = 200
#: Headers about the connection and the coding of the body, which do not reach the exchange.
_FRAMING: Final = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "expect",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
#: Headers that proxies add, and prefixes of others: the client is then on another machine.
_FORWARDED: Final = frozenset(
    {
        "cdn-loop",
        "client-ip",
        "fastly-client-ip",
        "fly-client-ip",
        "forwarded",
        "true-client-ip",
        "via",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-envoy-external-address",
        "x-real-ip",
    }
)
#: Those of them to which each proxy may append, also in a line of its own.
_CHAINS: Final = frozenset(
    {"forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"}
)
_FORWARDED_PREFIXES: Final = ("x-forwarded", "x-original-", "cf-")
#: Headers with lists, which may come in several lines.
_LISTS: Final = frozenset({"anthropic-beta", "openai-beta"})
#: Headers that are read here, and passed on.
_READ: Final = frozenset({"host", "origin", "x-request-id"}) | _LISTS
#: Another header with which clients name a request.
_OTHER_ID: Final = "x-client-request-id"
_LOOPBACK: Final = ("127.", "::ffff:127.")
#: The maximum number of logged characters of a method and of a path.
_SHOWN_METHOD: Final = 24
_SHOWN_PATH: Final = 256
#: The number of common header names that are remembered.
_MOST_NAMES: Final = 1024
#: The number of random bytes of an id, and of ids that are made at a time.
_ID_BYTES: Final = 8
_IDS: Final = 256

#: What a header is, by its name.
_PLAIN, _IS_READ, _IS_FORWARDED, _IS_CREDENTIAL, _IS_FRAMING = range(5)
_names: dict[str, tuple[str, int]] = {}
_ids: list[str] = []


def _classify(name: str) -> tuple[str, int]:
    """Return a header's name in lower case, and what it is; common ones are remembered."""
    lower = name.lower()
    if lower in CREDENTIAL_HEADERS:
        kind = _IS_CREDENTIAL
    elif lower in _FRAMING:
        kind = _IS_FRAMING
    elif lower in _READ:
        kind = _IS_READ
    elif lower in _FORWARDED or lower.startswith(_FORWARDED_PREFIXES):
        kind = _IS_FORWARDED
    else:
        kind = _PLAIN
    if len(_names) < _MOST_NAMES and len(name) <= 64:
        _names[name] = lower, kind
    return lower, kind


def _text(value: str) -> str:
    """Return Latin-1 ``value`` as the UTF-8 that it is, or else unchanged."""
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode()
    except UnicodeDecodeError:
        return value


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _new_id() -> str:
    """Return a random id for a request; many are made at a time.

    It begins with the time in seconds, so that the ledger's index of ids is written in one place.
    """
    if not _ids:
        digits = urandom(_ID_BYTES * _IDS).hex()
        size = 2 * _ID_BYTES
        start = f"req_{int(time()):08x}"
        _ids.extend(start + digits[place : place + size] for place in range(0, len(digits), size))
    return _ids.pop()


@lru_cache(maxsize=256)
def _is_local(peer: str | None) -> bool:
    """Return whether the address of a client is this machine's; ``None`` is a Unix socket."""
    return peer is None or peer == "::1" or peer.startswith(_LOOPBACK)


def _shown(text: str, most: int) -> str:
    """Return about ``most`` characters of ``text`` in ASCII, without control characters.

    The number of omitted characters is appended.
    """
    rest = len(text) - most
    if rest > 0:
        text = text[:most]
    if not (text.isascii() and text.isprintable()):
        text = text.encode("unicode_escape").decode()
    return f"{text}[+{rest}]" if rest > 0 else text


class RequestHead:
    """The head of one request.

    ``headers``, ``query`` and ``args`` have no credentials; those are in ``keys``, by the name of
    their header or parameter.  ``framing`` has the headers about connection and body, each with all
    its values.  ``fault`` describes a head that is malformed.  ``tunnel`` is set for requests
    through the tunnel.  ``forwarded`` is the client behind a trusted proxy, ``peer`` the address of
    the connection.  ``protocol`` is the one that a corrected prefix of the path named.
    ``quiet`` keeps the request out of the access log.  ``record`` is that of its exchange, once it
    has ended; ``is_logged`` says that the line of the request is written.  ``admitted``,
    ``principal`` and ``allowed_origin`` are set by the admission policy.

    :param target: the request target, like ``fields`` (names and values of the headers) with one
        character for each byte.
    """

    __slots__ = (
        "admitted",
        "allowed_origin",
        "args",
        "fault",
        "forwarded",
        "framing",
        "headers",
        "host",
        "id",
        "is_logged",
        "keys",
        "loopback",
        "method",
        "origin",
        "path",
        "peer",
        "principal",
        "protocol",
        "query",
        "quiet",
        "raw_path",
        "record",
        "tunnel",
        "version",
    )

    def __init__(
        self,
        method: str,
        target: str,
        version: str,
        fields: Iterable[tuple[str, str]],
        peer: str | None,
        tunnel: TunnelAccess | None = None,
        proxies: TrustedProxies | None = None,
    ) -> None:
        self.fault = ""
        self.forwarded: ForwardedClient | None = None
        self.peer = peer or "local"
        self.quiet = self.is_logged = False
        self.record: ExchangeRecord | None = None
        self.tunnel = tunnel
        self.admitted = False
        self.principal = ""
        self.protocol = ""
        self.allowed_origin = ""
        self.host: str | None = None
        self.origin: str | None = None
        self.method = method
        self.version = version
        self.headers: dict[str, str] = {}
        self.framing: dict[str, list[str]] = {}
        self.keys: dict[str, list[str]] = {}
        self.loopback = tunnel is None and _is_local(peer)
        self.id = ""
        self._read_headers(fields)
        if proxies is not None and tunnel is None and not self.loopback:
            self.forwarded = proxies.find_client(peer, self.headers)
        self._read_target(target)
        if self.host is None and version != "HTTP/1.0":
            self.fault = self.fault or "The Host header is missing."
        if not self.id:
            other = self.headers.get(_OTHER_ID)
            self.id = other if other and _VALID_ID.fullmatch(other) else _new_id()

    def _read_headers(self, fields: Iterable[tuple[str, str]]) -> None:
        headers, known = self.headers, _names
        for raw_name, raw_value in fields:
            name, kind = known.get(raw_name) or _classify(raw_name)
            value = raw_value.strip(" \t")
            if not value.isascii():
                value = _text(value)
            if kind == _PLAIN:
                headers[name] = value
            elif kind == _IS_READ:
                self._read_header(name, value)
            elif kind == _IS_FRAMING:
                self.framing.setdefault(name, []).append(value)
            elif kind == _IS_CREDENTIAL:
                self._read_credential(name, value)
            else:
                self.loopback = False
                if name in _CHAINS and name in headers:
                    value = f"{headers[name]}, {value}"
                headers[name] = value

    def _read_header(self, name: str, value: str) -> None:
        headers = self.headers
        if name == "host":
            if self.host is not None:
                self.fault = "There is more than one Host header."
            self.host = value
        elif name == "origin":
            # several are an attack; joined they match no allowed origin
            self.origin = value if self.origin is None else f"{self.origin}, {value}"
        elif name == "x-request-id":
            self.id = value if _VALID_ID.fullmatch(value) else ""
        elif (before := headers.get(name)) and name in _LISTS:
            value = f"{before},{value}"
        headers[name] = value

    def _read_credential(self, name: str, value: str) -> None:
        if name in ("cookie", "proxy-authorization"):
            return
        if name == "authorization":
            value = bearer(value)
        key = trim_key(value)
        if key:
            self.keys.setdefault(name, []).append(key)

    def _read_target(self, target: str) -> None:
        if not target.startswith("/") and target != "*":
            absolute = _ABSOLUTE.fullmatch(target)
            if absolute is None:
                self.fault = self.fault or "The request target is neither a path nor a URL."
            else:  # it takes precedence over the Host header (RFC 9112, 3.2.2)
                self.host = _text(absolute[1])
                target = absolute[2] if absolute[2].startswith("/") else "/" + absolute[2]
        raw_path, _, query = target.partition("?")
        self.raw_path = raw_path.encode("latin-1")
        self.path = _text(raw_path)
        if not raw_path.isascii() and self.path.encode() != self.raw_path:
            self.fault = self.fault or "The path is not UTF-8."
        self.args: dict[bytes, list[bytes]] = {}
        self.query: dict[str, str] = {}
        if query:
            self._read_query(query.encode("latin-1"))

    def _read_query(self, query: bytes) -> None:
        fields = query.split(b"&", _MOST_PARAMETERS)
        if len(fields) > _MOST_PARAMETERS:
            self.fault = self.fault or "There are too many query parameters."
            return
        for field in fields:
            if not field:
                continue
            if b"%" in field or b"+" in field:
                name, _, value = field.replace(b"+", b" ").partition(b"=")
                raw_name, raw_value = unquote_to_bytes(name), unquote_to_bytes(value)
            else:
                raw_name, _, raw_value = field.partition(b"=")
            key = _decoded(raw_name)
            if key in CREDENTIAL_PARAMETERS:
                if sent := trim_key(_decoded(raw_value)):
                    self.keys.setdefault(key, []).append(sent)
            else:
                self.query[key] = _decoded(raw_value)
                self.args.setdefault(raw_name, []).append(raw_value)

    @property
    def keeps_open(self) -> bool:
        """Whether the client lets the connection stay open (RFC 9112, 9.3)."""
        if self.version != "HTTP/1.1":
            return False
        for value in self.framing.get("connection", ()):
            if "close" in value.lower() and "close" in map(str.strip, value.lower().split(",")):
                return False
        return True

    def parameters(self) -> tuple[tuple[str, str], ...]:
        """Return name and value of each parameter that is no credential."""
        return tuple(
            (_decoded(name), _decoded(value))
            for name, values in self.args.items()
            for value in values
        )

    def all_keys(self) -> list[str]:
        """Return all keys that were sent, the most specific header first."""
        names = ("authorization", "x-api-key", "x-goog-api-key", "key")
        return [key for name in names for key in self.keys.get(name, ())]

    @property
    def client(self) -> str:
        """Return the client's address; through the tunnel, the one that Cloudflare reports.

        Behind a trusted proxy, it is the one that the proxy reports.
        """
        if self.tunnel is None:
            return (self.forwarded and self.forwarded.address) or self.peer
        return "tunnel " + self.headers.get("cf-connecting-ip", "")[:64]

    @property
    def address(self) -> str:
        """Return the same without the word that says that it came through the tunnel."""
        return self.client if self.tunnel is None else self.client.removeprefix("tunnel ")

    @property
    def upgrade(self) -> str:
        """Return the protocol that the client wants to change to, in lower case."""
        return self.framing["upgrade"][-1].lower() if "upgrade" in self.framing else ""

    @property
    def where(self) -> str:
        """Return method and path, which may be logged; the query may not."""
        return f"{self.shown_method} {self.shown_path}"

    @property
    def shown_method(self) -> str:
        """Return the method as it may be logged: clients can send anything."""
        return _shown(self.method, _SHOWN_METHOD)

    @property
    def shown_path(self) -> str:
        """Return the path as it may be logged, without the names of files, which are secret."""
        if self.path.startswith(FILES_PATH):
            return f"{FILES_PATH}*"
        return _shown(self.path, _SHOWN_PATH)

    def take_record(self, record: ExchangeRecord) -> bool:
        """Keep the record for the line of the request; return whether that is yet to be written."""
        if not self.is_logged:
            self.record = record
        return not self.is_logged

    def header(self, name: str) -> str:
        """Return a header that is no credential, ``""`` if it was not sent."""
        return self.headers.get(name, "")
