"""The ports on which the gateway listens."""

from __future__ import annotations

from typing import Any, Final

from twisted.application.service import Service
from twisted.internet import tcp
from twisted.internet.defer import DeferredList, inlineCallbacks, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory

from antigravity.config.errors import ConfigurationError
from antigravity.config.settings import ProxySettings
from antigravity.logs import make_logger
from antigravity.web.prompt_connection import SendQueue, send_promptly

#: Connections that may wait to be accepted; the system may lower it.  After a restart, many clients
#: connect at once.
BACKLOG: Final = 1024

#: What reaches a port on all addresses.
_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - replaced here


def endpoint_strings(proxy: ProxySettings) -> list[str]:
    """Return the Twisted endpoint strings of a configuration.

    IPv6 comes first: on systems where it includes IPv4, the second port is already in use.
    """
    if proxy.listen:
        return list(proxy.listen)
    if proxy.allow_lan_access:
        return [
            f"tcp6:{proxy.port}:interface=\\:\\::backlog={BACKLOG}",
            f"tcp:{proxy.port}:interface=0.0.0.0:backlog={BACKLOG}",
        ]
    return [f"tcp:{proxy.port}:interface=127.0.0.1:backlog={BACKLOG}"]


class Listener(Service):
    """The service that opens the ports of the configuration.

    :ivar ports: the open ports; :ivar descriptions: the endpoint of each.
    :ivar addresses: base URLs of those on TCP, as programs on this machine reach them.
    """

    log = make_logger()

    def __init__(self, reactor: Any, factory: IProtocolFactory, proxy: ProxySettings) -> None:
        self._reactor = reactor
        self._factory = factory
        self._proxy = proxy
        self._sends = SendQueue(reactor)
        self.ports: list[IListeningPort] = []
        self.descriptions: list[str] = []
        self.addresses: tuple[str, ...] = ()

    def serves(self, proxy: ProxySettings) -> bool:
        """Return whether the ports are those of ``proxy``."""
        return endpoint_strings(self._proxy) == endpoint_strings(proxy)

    @inlineCallbacks
    def listen(self) -> Any:
        """Return a Deferred that fires when all ports are open.

        It fails with ``CannotListenError`` if one cannot be opened, and with a
        :class:`ConfigurationError` if Twisted has no such endpoint; then all are closed.
        """
        descriptions = endpoint_strings(self._proxy)
        alternatives = self._proxy.allow_lan_access and not self._proxy.listen
        refused: CannotListenError | None = None
        for description in descriptions:
            try:
                endpoint = self._endpoint(description)
            except Exception as error:  # noqa: BLE001 - what Twisted and its plugins raise
                yield self._close()
                message = f"{description!r} cannot be used as an endpoint: {error}"
                raise ConfigurationError(message, key="proxy.listen") from None
            try:
                port = yield endpoint.listen(self._factory)
            except CannotListenError as error:
                refused = error
                if not alternatives:
                    break
            except OSError as error:  # such as that of a socket in a folder that does not exist
                yield self._close()
                message = f"{description!r} cannot be opened: {error.strerror or error}"
                raise ConfigurationError(message, key="proxy.listen") from None
            else:
                send_promptly(port, self._sends)
                if "backlog=" not in description:
                    _let_wait(port)
                self.ports.append(port)
                self.descriptions.append(description)
                self.addresses += local_addresses(description, port)
                self._note_open(port)
        if refused is not None and not (alternatives and self.ports):
            yield self._close()
            raise refused

    @inlineCallbacks
    def stopService(self) -> Any:
        """Return a Deferred that fires when no port is open any more."""
        super().stopService()  # type: ignore[no-untyped-call]
        yield self._close()

    def _note_open(self, port: IListeningPort) -> None:
        self.log.info("listening on {address}", address=_readable(port))

    def _endpoint(self, description: str) -> Any:
        """Return the endpoint that a string describes."""
        return server_endpoint(self._reactor, description)

    def _close(self) -> Any:
        ports, self.ports = self.ports, []
        self.descriptions = []
        self.addresses = ()
        return DeferredList([maybeDeferred(port.stopListening) for port in ports])


def server_endpoint(reactor: Any, description: str) -> Any:
    """Return the endpoint that a string describes.

    :raises ValueError: if Twisted has no such endpoint.
    """
    kind, _, inner = description.partition(":")
    endpoint = serverFromString(reactor, inner if kind == "haproxy" else description)
    if kind != "haproxy":
        return endpoint
    from antigravity.web.haproxy_endpoint import haproxy_endpoint

    return haproxy_endpoint(endpoint)


def local_addresses(description: str, port: IListeningPort) -> tuple[str, ...]:
    """Return the base URL of an open port for programs on this machine, if it is on TCP.

    :param description: its endpoint string, which says whether it speaks TLS.
    """
    address = port.getHost()
    host, number = getattr(address, "host", None), getattr(address, "port", None)
    if host is None or number is None:
        return ()
    scheme = "https" if description.startswith(("ssl:", "tls:")) else "http"
    host = _LOOPBACK.get(host, host)
    return (f"{scheme}://[{host}]:{number}" if ":" in host else f"{scheme}://{host}:{number}",)


def _let_wait(port: Any) -> None:
    """Let :data:`BACKLOG` connections wait at a port; Twisted's 50 would reset some of a burst."""
    if isinstance(port, tcp.Port):
        port.socket.listen(BACKLOG)


def _readable(port: IListeningPort) -> str:
    address = port.getHost()
    host, number = getattr(address, "host", None), getattr(address, "port", None)
    if host is None:
        return str(address)
    return f"http://[{host}]:{number}" if ":" in host else f"http://{host}:{number}"
