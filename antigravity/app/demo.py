"""The demo: the simulator on a port of its own, and the settings that make it every upstream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace
from twisted.internet.defer import inlineCallbacks, maybeDeferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IListeningPort
from twisted.web.server import Site

from antigravity.config.secret import Secret
from antigravity.config.settings import OpenAIApi, Settings, UpstreamSettings, ZaiSettings
from antigravity.logs import make_logger

#: The upstreams of the demo: every kind, and each of the APIs of OpenAI and Gemini alone, so that
#: every protocol can be translated to every other; one of them over WebSocket.
DEMO_KINDS: Final = {
    "demo-openai": "openai",
    "demo-openai-chat": "openai",
    "demo-openai-responses": "openai",
    "demo-openai-websocket": "openai",
    "demo-anthropic": "anthropic",
    "demo-gemini_api": "gemini_api",
    "demo-codeassist": "codeassist",
    "demo-interactions": "gemini_api",
}
_DEMO_APIS: Final[Mapping[str, list[OpenAIApi]]] = {
    "demo-openai-chat": ["chat"],
    "demo-openai-responses": ["responses"],
    "demo-openai-websocket": ["responses"],
}
_DEMO_SOCKETS: Final = ("demo-openai-websocket",)
_DEMO_QUIRKS: Final[Mapping[str, list[str]]] = {
    "demo-anthropic": ["message_threads"],
    "demo-gemini_api": ["interactions"],
    "demo-interactions": ["interactions", "no_generate_content"],
}


def demo_settings(settings: Settings, address: str) -> Settings:
    """Return the settings with the simulator at ``address`` as every kind of upstream."""
    base = UpstreamSettings(kind="", base_url=address, api_key=Secret("sk-demo"))
    upstreams = {
        name: replace(
            base,
            kind=kind,
            apis=_DEMO_APIS.get(name, base.apis),
            responses_websocket=name in _DEMO_SOCKETS,
            quirks=_DEMO_QUIRKS.get(name, base.quirks),
        )
        for name, kind in DEMO_KINDS.items()
    }
    code_assist = upstreams["demo-codeassist"]
    upstreams["demo-codeassist"] = replace(
        code_assist,
        api_key=Secret(),
        refresh_token=Secret("demo-refresh-token"),
        oauth=replace(
            code_assist.oauth,
            client_id="demo-client",
            client_secret=Secret("demo-secret"),
            token_url=f"{address}/token",
        ),
    )
    zai = settings.proxy.zai  # its MCP tools are no upstream, so they stay configured
    proxy = replace(settings.proxy, zai=ZaiSettings(api_key=zai.api_key, mcp=zai.mcp))
    return replace(settings, upstreams=upstreams, proxy=proxy)


class _QuietSite(Site):
    """A site without an access log, because the gateway logs each request already."""

    noisy = False

    def log(self, request: Any) -> None:
        """Log nothing."""


class DemoSimulator:
    """The simulator on a free port of 127.0.0.1, from :meth:`start` to :meth:`stop`.

    :param is_demo: whether it serves all requests, which the log then says.
    :ivar address: its base URL, once it runs.
    :ivar simulator: the simulator itself, with its log and counters.
    """

    log = make_logger()

    def __init__(self, reactor: Any, *, is_demo: bool = True) -> None:
        self._reactor = reactor
        self._is_demo = is_demo
        self._port: IListeningPort | None = None
        self.simulator: Any = None
        self.address = ""

    @inlineCallbacks
    def start(self) -> Any:
        """Return a Deferred that fires when the simulator accepts requests."""
        # Imported here because it is a tenth of all code, and most gateways run no demo.
        from antigravity.simulator.service import build_simulator

        self.simulator = build_simulator(self._reactor)
        # The simulator parses forms itself: Twisted takes seconds for recordings.
        site = _QuietSite(  # type: ignore[no-untyped-call]
            self.simulator.resource(), parsePOSTFormSubmission=False
        )
        endpoint = TCP4ServerEndpoint(self._reactor, 0, interface="127.0.0.1")
        self._port = port = yield endpoint.listen(site)
        self.address = f"http://127.0.0.1:{port.getHost().port}"
        if self._is_demo:
            self.log.warn(
                "DEMO: the simulator at {a} serves every model; if nothing else is configured, the "
                "first account or upstream ends the demo",
                a=self.address,
            )

    @inlineCallbacks
    def stop(self) -> Any:
        """Return a Deferred that fires when the simulator has stopped."""
        if self._port is not None:
            yield maybeDeferred(self._port.stopListening)
        if self.simulator is not None:
            self.simulator.stop()
