"""The vision tools as MCP tools."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from twisted.internet.defer import Deferred, gatherResults
from twisted.python.failure import Failure

from antigravity.interfaces.mcp import IMcpContext
from antigravity.interfaces.mcp_values import ToolError
from antigravity.ir.parts import Media
from antigravity.mcp.catalog import Catalog
from antigravity.mcp.function_objects import Tool
from antigravity.mcp.vision.media_sources import MediaSources
from antigravity.mcp.vision.tool_table import TOOLS, VisionTool
from antigravity.mcp.vision.vision_request import AskVisionModel, VisionRequest

_HINTS: Final = {"readOnlyHint": True, "openWorldHint": True}


class Vision:
    """The vision tools, with the media sources and model of the last :meth:`use`.

    :ivar catalog: the tools.
    """

    def __init__(self) -> None:
        self.catalog = Catalog()
        self._sources: MediaSources | None = None
        self._ask_model: AskVisionModel | None = None
        self.catalog.set_tools(
            Tool(
                tool.name,
                tool.description,
                partial(self._call, tool),
                tool.input_schema(),
                tool.title,
                annotations=_HINTS,
            )
            for tool in TOOLS
        )

    def use(self, sources: MediaSources, ask_model: AskVisionModel) -> None:
        """Replace media sources and model; running calls continue with the previous ones."""
        self._sources, self._ask_model = sources, ask_model

    async def _call(self, tool: VisionTool, arguments: dict[str, Any], context: IMcpContext) -> str:
        sources, ask_model = self._sources, self._ask_model
        assert sources is not None
        assert ask_model is not None
        getting = [
            Deferred.fromCoroutine(sources.get(arguments[name], tool.kind)) for name in tool.sources
        ]
        media: list[Media] = await gatherResults(getting, consumeErrors=True).addErrback(_inner)
        request = VisionRequest(tool.instructions, tool.prompt(arguments), tuple(media))
        text = await ask_model(request, context.principal)
        if not text.strip():
            raise ToolError("The model returned no text; try again.")
        return text


def _inner(failure: Failure) -> Failure:
    """Return the failure inside the ``FirstError`` of a ``gatherResults``."""
    inner = getattr(failure.value, "subFailure", None)
    return inner if isinstance(inner, Failure) else failure
