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
    """Serves the vision tools with the media sources and model of the last :meth:`use`.

    :ivar catalog: the tools.
    """

    def __init__(self) -> None:
        self.catalog = Catalog()
        self._sources: MediaSources | None = None
        self._see: AskVisionModel | None = None
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

    def use(self, sources: MediaSources, see: AskVisionModel) -> None:
        """Use these from now on; running calls keep the ones before."""
        self._sources, self._see = sources, see

    async def _call(self, tool: VisionTool, arguments: dict[str, Any], context: IMcpContext) -> str:
        sources, see = self._sources, self._see
        assert sources is not None
        assert see is not None
        getting = [
            Deferred.fromCoroutine(sources.get(arguments[name], tool.kind)) for name in tool.sources
        ]
        media: list[Media] = await gatherResults(getting, consumeErrors=True).addErrback(_inner)
        sight = VisionRequest(tool.instructions, tool.prompt(arguments), tuple(media))
        said = await see(sight, context.principal)
        if not said.strip():
            raise ToolError("The model returned no text; try again.")
        return said


def _inner(failure: Failure) -> Failure:
    """Return the failure inside the ``FirstError`` of a ``gatherResults``."""
    inner = getattr(failure.value, "subFailure", None)
    return inner if isinstance(inner, Failure) else failure
