"""Checks of ``antigravity doctor`` that ask the network: addresses of upstreams, and the clock."""

from __future__ import annotations

import http.client
import os
import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from antigravity.config.settings import Settings, UpstreamSettings
from antigravity.interfaces.system import Finding

#: Seconds that one address may take.
TIMEOUT: Final = 5.0
#: So many addresses are asked; a configuration has far fewer.
MAX_ADDRESSES: Final = 20
#: Providers refuse tokens and signatures of clocks that differ by more, in seconds.
CLOCK_DIFFERENCE: Final = 60.0

#: Public addresses of the built-in kinds, where the configuration names none.
_DEFAULTS: Final = {
    "anthropic": "https://api.anthropic.com",
    "gemini_api": "https://generativelanguage.googleapis.com",
    "openai": "https://api.openai.com/v1",
    "codeassist": "https://cloudcode-pa.googleapis.com",
}
_CHECK_NETWORK: Final = "check the network, or set http_proxy of the upstream"
_PROXY_VARIABLES: Final = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
#: The end of an endpoint's path, which does not belong into a base address.
_ENDPOINT: Final = re.compile(
    r"/(?:chat/completions|completions|responses|messages|embeddings|models"
    r"|models/[^/]+:\w+|images/generations|audio/\w+)$"
)
_DOUBLED: Final = re.compile(r"/(v\d\w*)/\1(?:/|$)")


class Answer(Struct, frozen=True):
    """What an address answers.

    :ivar skew: seconds by which this machine's clock is ahead, ``None`` if that is not known.
    :ivar seconds: until the head of the response.
    """

    status: int
    content_type: str
    skew: float | None
    seconds: float


def path_problem(address: str) -> str:
    """Return what is wrong with the path of a base address, ``""`` if nothing is."""
    path = urlsplit(address).path.rstrip("/")
    if found := _DOUBLED.search(path):
        return f"its path has {found[1]} twice"
    if found := _ENDPOINT.search(path):
        return f"its path ends in {found[0]}, which the gateway adds itself"
    return ""


def addresses_of(settings: Settings, names: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Yield name, address and proxy of the upstreams that the gateway uses."""
    for name in names:
        upstream = settings.upstreams.get(name, UpstreamSettings(name))
        default = _DEFAULTS.get(upstream.kind, "")
        chosen = upstream.base_urls or [upstream.base_url or default]
        for address in chosen:
            if address:
                yield name, address, upstream.http_proxy


def path_findings(settings: Settings, names: Sequence[str]) -> Iterator[Finding]:
    """Check the paths of base addresses, without asking the network."""
    for name, address, _ in addresses_of(settings, names):
        if problem := path_problem(address):
            remedy = f"shorten upstreams.{name}.base_url to what the provider's documentation names"
            yield Finding("address", "warning", f"{name}: {address}: {problem}", remedy)


def network_findings(
    settings: Settings, names: Sequence[str], variables: Mapping[str, str] = os.environ
) -> Iterator[Finding]:
    """Ask the address of each upstream, without a key, and compare the clock with theirs."""
    wanted = list(dict.fromkeys(addresses_of(settings, names)))[:MAX_ADDRESSES]
    if not wanted:
        return
    with ThreadPoolExecutor(max_workers=len(wanted)) as pool:
        answers = list(pool.map(lambda each: _try(each[1], each[2]), wanted))
    is_failing = False
    for (name, address, proxy), answer in zip(wanted, answers, strict=True):
        lists_models = settings.upstreams.get(name, UpstreamSettings(name)).kind == "openai"
        finding = _finding(name, address, proxy, answer, lists_models=lists_models)
        is_failing |= finding.status == "failed"
        yield finding
    yield from _clock_finding([each for each in answers if isinstance(each, Answer)])
    variable = next((each for each in _PROXY_VARIABLES if variables.get(each)), "")
    if variable and not all(proxy for _, _, proxy in wanted):
        yield Finding(
            "proxy",
            "warning" if is_failing else "ok",
            f"{variable} is set, but the gateway does not read it",
            "set http_proxy of each upstream that needs the proxy" if is_failing else "",
        )


def ask(address: str, proxy: str = "", timeout: float = TIMEOUT) -> Answer:
    """Return the answer to ``GET address/models``, without a key.

    :raises OSError: if there is none.
    """
    parts = urlsplit(address)
    host, path = parts.hostname or "", f"{parts.path.rstrip('/')}/models"
    port = parts.port or (443 if parts.scheme == "https" else 80)
    connection = _connect(parts.scheme, host, port, proxy, timeout)
    began = time.monotonic()
    try:
        connection.request("GET", path, headers={"Accept": "application/json"})
        response = connection.getresponse()
        seconds = time.monotonic() - began
        skew = _skew(response.headers.get("Date", ""))
        return Answer(response.status, response.headers.get_content_type(), skew, seconds)
    except http.client.HTTPException as error:
        raise OSError(f"it does not speak HTTP ({type(error).__name__})") from None
    finally:
        connection.close()


def _connect(
    scheme: str, host: str, port: int, proxy: str, timeout: float
) -> http.client.HTTPConnection:
    def connection_to(name: str, number: int) -> http.client.HTTPConnection:
        if scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(name, number, timeout=timeout, context=context)
        return http.client.HTTPConnection(name, number, timeout=timeout)

    if not proxy:
        return connection_to(host, port)
    parts = urlsplit(proxy)
    headers = {}
    if parts.username is not None:
        import base64

        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        headers["Proxy-Authorization"] = "Basic " + base64.b64encode(user).decode()
    connection = connection_to(parts.hostname or "", parts.port or 80)
    connection.set_tunnel(host, port, headers=headers)
    return connection


def _skew(date: str) -> float | None:
    try:
        return time.time() - parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return None


def _try(address: str, proxy: str) -> Answer | OSError:
    try:
        return ask(address, proxy)
    except OSError as error:
        return error


def _finding(
    name: str, address: str, proxy: str, answer: Answer | OSError, *, lists_models: bool
) -> Finding:
    """Return what the answer of an address means.

    :param lists_models: whether an API of this kind has the path that was asked.
    """
    host = urlsplit(address).hostname or address
    if isinstance(answer, Answer):
        is_missing = answer.status == 404 and lists_models
        if answer.content_type == "text/html" and (answer.status < 400 or is_missing):
            return Finding(
                "address",
                "warning",
                f"{name}: {address} answers with a web page",
                f"upstreams.{name}.base_url must be the address of the API, which the provider's "
                "documentation names; it often ends in /v1",
            )
        return Finding("address", "ok", f"{name}: {host} answers in {answer.seconds * 1000:.0f} ms")
    detail, remedy = _explain(host, answer)
    if proxy and isinstance(answer, socket.gaierror | ConnectionRefusedError | TimeoutError):
        detail, remedy = _explain_proxy(host, proxy, answer), f"check upstreams.{name}.http_proxy"
    return Finding("address", "failed", f"{name}: {detail}", remedy)


def _explain(host: str, error: OSError) -> tuple[str, str]:
    """Return what an error means, and what helps."""
    if isinstance(error, socket.gaierror):
        return (
            f"the name {host} cannot be resolved",
            "check its spelling, the network and the DNS server; or set http_proxy",
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the certificate of {host} is not trusted: {error.verify_message}",
            "add its authority to the system's, or set SSL_CERT_FILE",
        )
    if isinstance(error, TimeoutError):
        return (
            f"{host} does not answer within {TIMEOUT:g} s",
            "check the network, or set http_proxy",
        )
    if isinstance(error, ConnectionRefusedError):
        return f"{host} refuses connections", "check the port; is the server running?"
    why = error.strerror or str(error) or type(error).__name__
    return f"{host} cannot be reached: {why}", _CHECK_NETWORK


def _explain_proxy(host: str, proxy: str, error: OSError) -> str:
    """Return what an error of a connection through a proxy means."""
    name = urlsplit(proxy).hostname
    if isinstance(error, TimeoutError):
        return f"{host} does not answer within {TIMEOUT:g} s through the proxy {name}"
    if isinstance(error, socket.gaierror):
        return f"the name of the proxy {name} cannot be resolved"
    return f"the proxy {name} refuses connections"


def _clock_finding(answers: Sequence[Answer]) -> Iterator[Finding]:
    skews = [answer.skew for answer in answers if answer.skew is not None]
    if not skews:
        return
    # the smallest one: a server's own clock can be wrong, too
    skew = min(skews, key=abs)
    if abs(skew) > CLOCK_DIFFERENCE:
        way = "ahead" if skew > 0 else "behind"
        detail = f"this machine's clock is {abs(skew):.0f} s {way}"
        remedy = "synchronise it; logins and certificates fail otherwise"
        yield Finding("clock", "failed", detail, remedy)
    else:
        yield Finding("clock", "ok", "it agrees with the upstreams'")
