"""The endpoint of the vision tools."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred

from antigravity.app.mcp.relay import zai_key
from antigravity.config.settings import Settings
from antigravity.deferreds import call_in_thread
from antigravity.exchange.operations.internal_requests import PROTOCOL, InternalRequest
from antigravity.interfaces.mcp import IMcpEndpoint
from antigravity.interfaces.transport import IHttpTransport, IMediaFetcher
from antigravity.ir.parts import Part, Text
from antigravity.ir.request import Message, Request
from antigravity.mcp.endpoint import Limits, McpEndpoint
from antigravity.mcp.registry import McpRegistry
from antigravity.mcp.server_info import ServerInfo
from antigravity.mcp.tool_calls import Observe
from antigravity.mcp.vision.media_sources import MediaSources
from antigravity.mcp.vision.tools import Vision
from antigravity.mcp.vision.vision_request import AskVisionModel, VisionRequest
from antigravity.mcp.vision.zai import ZaiVision
from antigravity.services import Drain

PATH: Final = "/mcp/zai-mcp-server/mcp"
_SERVER_INFO: Final = ServerInfo("zai-mcp-server", "Vision tools of the antigravity gateway")

#: A function that sends an internal request to a model of the gateway.
Ask = Callable[[InternalRequest], Deferred[str]]


class VisionEndpoint:
    """The vision endpoint; its sessions survive a reload."""

    def __init__(
        self, reactor: Any, drain: Drain, transport: IHttpTransport, observe: Observe, ask: Ask
    ) -> None:
        self._observe = observe
        self._reactor = reactor
        self._drain = drain
        self._transport = transport
        self._ask = ask
        self._vision = Vision()
        self._endpoint: McpEndpoint | None = None

    def endpoints(
        self, settings: Settings, limits: Limits, media: IMediaFetcher
    ) -> Mapping[str, IMcpEndpoint]:
        """Return the endpoint by path, with the vision model of ``settings``."""
        mcp = settings.proxy.zai.mcp
        if not (mcp.enabled and mcp.vision_enabled):
            self.stop()
            return {}
        if self._endpoint is None:
            self._endpoint = McpEndpoint(
                McpRegistry([self._vision.catalog]),
                self._reactor,
                server_info=_SERVER_INFO,
                enter=self._drain.enter,
                leave=self._drain.leave,
                observe=self._observe,
            )
        self._endpoint.configure(limits)
        roots = [Path(root).expanduser() for root in settings.mcp.vision.roots]
        sources = MediaSources(media, roots, partial(call_in_thread, self._reactor))
        self._vision.use(sources, self._vision_model(settings))
        return {PATH: self._endpoint}

    def stop(self) -> None:
        """End all sessions and calls."""
        endpoint, self._endpoint = self._endpoint, None
        if endpoint is not None:
            endpoint.stop()

    def _vision_model(self, settings: Settings) -> AskVisionModel:
        vision, timeout = settings.mcp.vision, settings.mcp.call_timeout
        if vision.model:
            return partial(_ask_about_media, self._ask, vision.model, timeout or None)
        zai = ZaiVision(
            self._transport, vision.zai_url, zai_key(settings), vision.zai_model, timeout
        )
        return zai.ask


def _ask_about_media(
    ask: Ask, model: str, limit: float | None, vision_request: VisionRequest, principal: str
) -> Deferred[str]:
    """Ask a model of the gateway about images or a video."""
    parts: tuple[Part, ...] = (*vision_request.media, Text(vision_request.prompt))
    request = Request(
        model=model,
        messages=(Message("user", parts),),
        protocol=PROTOCOL,
        system=(Text(vision_request.instructions),),
    )
    internal = InternalRequest(
        model,
        request,
        f"The question to {model}",
        "/internal/question",
        "mcp:vision",
        principal,
        setting="mcp.vision.model",
        timeout=limit,
    )
    return ask(internal)
