"""The tools of a request, and how the model may use them."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from antigravity.ir.parts import CacheControl

JsonObject = dict[str, Any]


class FunctionTool(Struct, frozen=True, gc=False, tag="function"):
    """A function that the client runs.

    ``parameters`` is the JSON Schema of its arguments, exactly as the client wrote it.
    ``namespace`` is the OpenAI Responses namespace that it was declared in.
    """

    name: str
    description: str = ""
    parameters: JsonObject | None = None
    strict: bool | None = None
    namespace: str | None = None
    cache: CacheControl | None = None


class CustomTool(Struct, frozen=True, gc=False, tag="custom"):
    """A client-side tool whose input is free text, optionally with a grammar (``format``)."""

    name: str
    description: str = ""
    format: JsonObject | None = None
    namespace: str | None = None


class WebSearchTool(Struct, frozen=True, tag="web_search"):
    """A web search that the provider runs; if it is not ``live``, only in an index of the web."""

    name: str = "web_search"
    allowed_domains: tuple[str, ...] = ()
    blocked_domains: tuple[str, ...] = ()
    max_uses: int | None = None
    user_location: JsonObject | None = None
    cache: CacheControl | None = None
    live: bool = True


class HostedTool(Struct, frozen=True, tag="hosted"):
    """Any other tool that the provider runs.

    ``kind`` is ``code_execution``, ``url_context`` or the wire type; ``wire`` is the
    declaration in the format of the protocol named ``protocol``.
    """

    kind: str
    protocol: str
    wire: JsonObject = {}


Tool = FunctionTool | CustomTool | WebSearchTool | HostedTool


class ToolChoice(Struct, frozen=True):
    """Whether the model must call tools.

    ``required`` with ``names`` allows only these; ``auto`` with ``names`` (OpenAI's
    ``allowed_tools``) allows these or none.
    """

    mode: Literal["auto", "none", "required"] = "auto"
    names: tuple[str, ...] = ()
