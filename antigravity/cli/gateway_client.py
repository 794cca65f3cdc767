"""An HTTP client for the running gateway."""

from __future__ import annotations

import hmac
import http.client
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct

from antigravity.config.key_proof import PROOF_PATH, new_nonce, proof, proving_key
from antigravity.config.running_gateway import can_identify_processes, find_running_gateway
from antigravity.config.settings import ProxySettings

_ANY_ADDRESS = {"", "0.0.0.0", "::"}  # noqa: S104 - replaced by loopback

#: The exit code of commands that need a running gateway, if there is none.
NO_GATEWAY: Final = 3

UNAUTHORIZED: Final = 401

#: The most bytes of a response, and of a piece of one.
_LARGEST: Final = 128 * 1024 * 1024
_PIECE: Final = 256 * 1024
_LARGEST_PROOF: Final = 4096

#: The statuses of errors whose cause may be that the address or the key is another gateway's.
_BY_WHOM: Final = (401, 403)

DOCTOR: Final = "run 'antigravity doctor' for details"


class GatewayAddress(Struct, frozen=True):
    """The address of the gateway.

    ``is_known`` says that the process which has written it into the gateway's home still runs.
    Otherwise any program may listen there, and has to prove that it knows a key before it is sent.
    ``is_tls`` says that the gateway, or what is before it, speaks TLS.
    """

    host: str
    port: int
    is_known: bool = False
    is_tls: bool = False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.is_tls else 'http'}://{host}:{self.port}"

    def connection(self, timeout: float) -> http.client.HTTPConnection:
        """Return a connection that is not open yet."""
        if self.is_tls:
            return http.client.HTTPSConnection(self.host, self.port, timeout=timeout)
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)


class NoGatewayError(Exception):
    """The gateway cannot be reached, or has responded with an error.

    :ivar absent: whether no program listens at the address.
    :ivar status: the status of the response, 0 if there was none; 401 also if no key was sent,
        because the gateway has not proved to know it.
    """

    def __init__(self, message: str, *, absent: bool = False, status: int = 0) -> None:
        super().__init__(message)
        self.absent = absent
        self.status = status


def gateway_address(proxy: ProxySettings) -> GatewayAddress | None:
    """Return the address where the gateway listens on TCP, if its settings have one."""
    if not proxy.listen:
        return GatewayAddress("127.0.0.1", proxy.port) if proxy.port else None
    for endpoint in proxy.listen:
        kind, *arguments = re.split(r"(?<!\\):", endpoint)
        options = dict(a.split("=", 1) for a in arguments if "=" in a)
        port = options.get("port") or (arguments[0] if arguments else "")
        if kind in ("tcp", "tcp6") and port.isdigit() and int(port):
            host = options.get("interface", "").replace("\\", "")
            loopback = "::1" if kind == "tcp6" else "127.0.0.1"
            return GatewayAddress(loopback if host in _ANY_ADDRESS else host, int(port))
    return None


def find_address(home: Path, proxy: ProxySettings) -> GatewayAddress | None:
    """Return the address of the gateway that runs in ``home``, else the configured one.

    :raises NoGatewayError: if the one that runs listens on no TCP port without TLS.
    """
    record = find_running_gateway(home)
    if record is None:
        return gateway_address(proxy)
    for address in record.addresses:
        parts = urlsplit(address)
        if parts.scheme == "http" and parts.hostname and parts.port:
            return GatewayAddress(parts.hostname, parts.port, can_identify_processes())
    raise NoGatewayError(f"the gateway (process {record.pid}) listens on no TCP port without TLS")


def get_json(
    address: GatewayAddress,
    path: str,
    key: str = "",
    timeout: float = 10.0,
    method: str = "GET",
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> Any:
    """Return the JSON response to ``GET path`` (or another ``method``, with a ``body``).

    :param key: is only sent to the gateway; see :func:`require_proof`.
    :param headers: more headers of the request.

    :raises NoGatewayError: if there is no response, or not one of a gateway.
    """
    connection = address.connection(timeout)
    headers = {"Accept": "application/json", **(headers or {})}
    content = None if body is None else json.dumps(body).encode()
    if content is not None:
        headers["Content-Type"] = "application/json"
    if key:
        headers["Authorization"] = f"Bearer {key}"
    try:
        with _failures(address, timeout):
            _check_listener(connection, address, key)
            connection.request(method, path, content, headers)
            response = connection.getresponse()
            answer = response.read(_LARGEST)
    finally:
        connection.close()
    data = _decode(answer)
    if response.status != 200:
        raise _refused(address, path, response.status, data)
    if data is None:
        raise NoGatewayError(f"{address} is not an antigravity gateway")
    return data


def get_pieces(address: GatewayAddress, path: str, key: str, timeout: float) -> Iterator[bytes]:
    """Return the pieces of the response to ``GET path``, as they arrive.

    :raises NoGatewayError: if there is no response, an error, or later, if it breaks off.
    """
    connection = address.connection(timeout)
    try:
        with _failures(address, timeout):
            _check_listener(connection, address, key)
            connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
            response = connection.getresponse()
            if response.status != 200:
                error = _decode(response.read(_LARGEST))
                raise _refused(address, path, response.status, error)
    except BaseException:
        connection.close()
        raise
    return _pieces(connection, response, address, timeout)


def require_proof(address: GatewayAddress, key: str, timeout: float = 10.0) -> None:
    """Check that what listens at an address knows a key, unless that is certain already.

    :raises NoGatewayError: if it does not prove that.
    """
    connection = http.client.HTTPConnection(address.host, address.port, timeout=timeout)
    try:
        with _failures(address, timeout):
            _check_listener(connection, address, key)
    finally:
        connection.close()


def _check_listener(
    connection: http.client.HTTPConnection, address: GatewayAddress, key: str
) -> None:
    """Let what listens prove that it knows a key, before that is sent on the same connection.

    :raises NoGatewayError: if it does not.
    """
    if address.is_known or not key:
        return
    nonce = new_nonce()
    connection.request("GET", f"{PROOF_PATH}?nonce={nonce}", headers={"Accept": "application/json"})
    host, port = connection.sock.getpeername()[:2]
    response = connection.getresponse()
    data = _decode(response.read(_LARGEST_PROOF))
    proofs = data.get("proofs") if isinstance(data, dict) else None
    if response.status != 200 or not isinstance(proofs, list):
        raise NoGatewayError(
            f"{address} is not an antigravity gateway, or one that must be restarted after an "
            "update; the key was not sent"
        )
    connection.auto_open = 0  # the key goes to what has proved that it knows it
    own = proof(proving_key(key), nonce, host, port)
    if not any(isinstance(each, str) and hmac.compare_digest(own, each) for each in proofs):
        raise NoGatewayError(
            f"the program at {address} does not know the configured key, so it was not sent: it is "
            "another gateway, or the key has changed since it started",
            status=UNAUTHORIZED,
        )


def _pieces(
    connection: http.client.HTTPConnection,
    response: http.client.HTTPResponse,
    address: GatewayAddress,
    timeout: float,
) -> Iterator[bytes]:
    try:
        with _failures(address, timeout):
            while piece := response.read1(_PIECE):
                yield piece
    finally:
        connection.close()


@contextmanager
def _failures(address: GatewayAddress, timeout: float) -> Iterator[None]:
    """Raise errors of the network as ``NoGatewayError``."""
    try:
        yield
    except ConnectionRefusedError:
        raise NoGatewayError(f"nothing listens at {address}", absent=True) from None
    except TimeoutError:
        raise NoGatewayError(f"no response from {address} within {timeout:g} s") from None
    except (OSError, http.client.HTTPException) as error:
        raise NoGatewayError(f"no response from {address} ({type(error).__name__})") from None


def _decode(answer: bytes) -> Any:
    """Return the JSON of a response, ``None`` if it is something else."""
    try:
        return json.loads(answer)
    except (ValueError, RecursionError):
        return None


def _refused(address: GatewayAddress, path: str, status: int, data: Any) -> NoGatewayError:
    message = _message(data)
    if not message or status in _BY_WHOM or status >= 500:
        what = f"{address}{path.partition('?')[0]} responds with {status}"
        message = f"{what}: {message}" if message else what
    return NoGatewayError(message, status=status)


def _message(data: Any) -> str:
    """Return the message in an error's body, ``""`` if there is none."""
    error = data.get("error") if isinstance(data, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    return " ".join(message.split()) if isinstance(message, str) else ""
