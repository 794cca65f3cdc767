"""The parsed request line and headers of a request."""

from __future__ import annotations

import re
from collections.abc import Iterator
from secrets import token_hex
from typing import Final
from urllib.parse import unquote_to_bytes

from antigravity.config.keys import trim_key
from antigravity.web.authentication import (
    CREDENTIAL_HEADERS,
    CREDENTIAL_PARAMETERS,
    FILES_PATH,
    bearer,
)
from antigravity.web.tunnel_access import TunnelAccess

_VALID_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_ABSOLUTE: Final = re.compile(rb"https?://([^/?#]*)([^#]*)", re.IGNORECASE)
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
_FORWARDED_PREFIXES: Final = ("x-forwarded", "x-original-", "cf-")
_LOOPBACK: Final = ("127.", "::ffff:127.")
#: The maximum number of logged characters of a method and of a path.
_SHOWN_METHOD: Final = 24
_SHOWN_PATH: Final = 256

_names: dict[bytes, str] = {}


def _lower(name: bytes) -> str:
    """Return a header's name in lower case; common ones are cached."""
    known = _names.get(name)
    if known is None:
        known = name.lower().decode("latin-1")
        if len(_names) < 1024:
            _names[name] = known
    return known


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


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
    their header or parameter.  ``fault`` describes a head that is malformed.  ``tunnel``
    is set for requests through the tunnel.  ``protocol`` is the one that a corrected prefix of
    the path named.  ``quiet`` keeps the request out of the access log.  ``admitted``,
    ``principal`` and ``allowed_origin`` are set by the admission policy.
    """

    __slots__ = (
        "admitted",
        "allowed_origin",
        "args",
        "fault",
        "headers",
        "host",
        "id",
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
        "tunnel",
        "upgrade",
    )

    def __init__(
        self,
        method: bytes,
        uri: bytes,
        version: bytes,
        headers: Iterator[tuple[bytes, list[bytes]]],
        peer: str | None,
        tunnel: TunnelAccess | None = None,
    ) -> None:
        self.fault = ""
        self.peer = peer or "local"
        self.quiet = False
        self.tunnel = tunnel
        self.admitted = False
        self.principal = ""
        self.protocol = ""
        self.allowed_origin = ""
        self.upgrade = ""
        self.host: str | None = None
        self.origin: str | None = None
        self.method = method.decode("latin-1")
        self.headers: dict[str, str] = {}
        self.keys: dict[str, list[str]] = {}
        given_id = self._read_headers(headers)
        self._read_uri(uri)
        if self.host is None and version != b"HTTP/1.0":
            self.fault = self.fault or "The Host header is missing."
        self.id = given_id or "req_" + token_hex(12)
        self.loopback = (
            tunnel is None
            and (peer is None or peer == "::1" or peer.startswith(_LOOPBACK))
            and _FORWARDED.isdisjoint(self.headers)
            and not any(name.startswith(_FORWARDED_PREFIXES) for name in self.headers)
        )

    def _read_headers(self, headers: Iterator[tuple[bytes, list[bytes]]]) -> str:
        given_id = other_id = ""
        for raw_name, values in headers:
            name = _lower(raw_name)
            value = values[-1]
            if name in CREDENTIAL_HEADERS:
                self._read_credential(name, values)
            elif name in _FRAMING:
                if name == "upgrade":
                    self.upgrade = _text(value).strip().lower()
            else:
                self.headers[name] = text = _text(value)
                if name == "host":
                    self.host = text
                    if len(values) > 1:
                        self.fault = "There is more than one Host header."
                elif name == "origin":
                    # several are an attack; joined they match no allowed origin
                    self.origin = text if len(values) == 1 else b", ".join(values).decode("latin-1")
                elif name == "x-request-id":
                    given_id = text if _VALID_ID.fullmatch(value) else ""
                elif name == "x-client-request-id":
                    other_id = text if _VALID_ID.fullmatch(value) else ""
        return given_id or other_id

    def _read_credential(self, name: str, values: list[bytes]) -> None:
        if name in ("cookie", "proxy-authorization"):
            return
        found = [_text(value).strip() for value in values]
        if name == "authorization":
            found = [bearer(value) for value in found]
        found = [key for key in map(trim_key, found) if key]
        if found:
            self.keys[name] = found

    def _read_uri(self, uri: bytes) -> None:
        if not uri.startswith(b"/") and uri != b"*":
            absolute = _ABSOLUTE.fullmatch(uri)
            if absolute is None:
                self.fault = self.fault or "The request target is neither a path nor a URL."
            else:  # it takes precedence over the Host header (RFC 9112, 3.2.2)
                self.host = _text(absolute[1])
                uri = absolute[2] if absolute[2].startswith(b"/") else b"/" + absolute[2]
        self.raw_path, _, query = uri.partition(b"?")
        self.path = _text(self.raw_path)
        if not self.path.isascii() and self.path.encode() != self.raw_path:
            self.fault = self.fault or "The path is not UTF-8."
        self.args: dict[bytes, list[bytes]] = {}
        self.query: dict[str, str] = {}
        if query:
            self._read_query(query)

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
            key = _text(raw_name)
            if key in CREDENTIAL_PARAMETERS:
                if sent := trim_key(_text(raw_value)):
                    self.keys.setdefault(key, []).append(sent)
            else:
                self.query[key] = _text(raw_value)
                self.args.setdefault(raw_name, []).append(raw_value)

    def parameters(self) -> tuple[tuple[str, str], ...]:
        """Return name and value of each parameter that is no credential."""
        return tuple(
            (_text(name), _text(value)) for name, values in self.args.items() for value in values
        )

    def all_keys(self) -> list[str]:
        """Return all keys that were sent, the most specific header first."""
        names = ("authorization", "x-api-key", "x-goog-api-key", "key")
        return [key for name in names for key in self.keys.get(name, ())]

    @property
    def client(self) -> str:
        """Return the client's address; through the tunnel, the one that Cloudflare reports."""
        if self.tunnel is None:
            return self.peer
        return "tunnel " + self.headers.get("cf-connecting-ip", "")[:64]

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

    def header(self, name: str) -> str:
        """Return a header that is no credential, ``""`` if it was not sent."""
        return self.headers.get(name, "")
