"""Decodes the tools and the tool choice of a client's request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec import UNSET, UnsetType

from antigravity.ir.tools import (
    FunctionTool,
    HostedTool,
    JsonObject,
    Tool,
    ToolChoice,
    WebSearchTool,
)
from antigravity.protocols.gemini import schema
from antigravity.protocols.gemini.request_reader import reject, unknown_fields
from antigravity.protocols.gemini_schemas import from_gemini, lower_types

#: The values of the enum ``FunctionCallingConfig.Mode``, by number.
_MODES: Final = ("MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED")
_SEARCHES: Final = ("google_search", "google_search_retrieval")


def decode_tools(tools: Sequence[schema.Tool], raw: Any) -> tuple[tuple[Tool, ...], dict[str, Any]]:
    """Return the tools, and the fields that only Gemini knows."""
    decoded: list[Tool] = []
    declared: dict[str, Any] = {}
    extensions: dict[str, Any] = {}
    for tool, whole in zip(tools, raw, strict=True):
        for place, declaration in enumerate(tool.function_declarations or ()):
            decoded.append(_function(declaration))
            rest = unknown_fields(whole["functionDeclarations"][place], schema.FunctionDeclaration)
            if rest:
                declared[declaration.name] = rest
        for name in _SEARCHES:
            settings: dict[str, Any] | UnsetType = getattr(tool, name)
            if settings is not UNSET:
                decoded.append(_search(settings))
                if settings and name == "google_search":
                    extensions["googleSearch"] = settings
        if tool.code_execution is not UNSET:
            wire = {"codeExecution": tool.code_execution}
            decoded.append(HostedTool("code_execution", "gemini", wire))
        if tool.url_context is not UNSET:
            decoded.append(HostedTool("url_context", "gemini", {"urlContext": tool.url_context}))
        decoded += [
            HostedTool(key, "gemini", {key: value})
            for key, value in unknown_fields(whole, schema.Tool).items()
        ]
    if declared:
        extensions["functionDeclarations"] = declared
    return tuple(decoded), extensions


def _function(declaration: schema.FunctionDeclaration) -> FunctionTool:
    parameters: JsonObject | None = None
    if isinstance(declaration.parameters_json_schema, dict):
        parameters = lower_types(declaration.parameters_json_schema)
    elif isinstance(declaration.parameters, dict):
        parameters = from_gemini(declaration.parameters)
    return FunctionTool(declaration.name, declaration.description, parameters)


def _search(settings: dict[str, Any]) -> WebSearchTool:
    blocked = settings.get("excludeDomains", settings.get("exclude_domains"))
    listed = blocked if isinstance(blocked, list) else ()
    return WebSearchTool(
        blocked_domains=tuple(domain for domain in listed if isinstance(domain, str))
    )


def decode_choice(
    config: schema.ToolConfig, raw: dict[str, Any], at: str
) -> tuple[ToolChoice | None, dict[str, Any]]:
    """Return the tool choice, and the fields of ``toolConfig`` that only Gemini knows."""
    rest = unknown_fields(raw, schema.ToolConfig)
    calling = config.function_calling_config
    if calling is UNSET:
        return None, rest
    more = unknown_fields(raw["functionCallingConfig"], schema.FunctionCallingConfig)
    mode = _mode(calling.mode, f"{at}.functionCallingConfig.mode")
    if mode == "VALIDATED":
        more["mode"] = mode
    if more:
        rest["functionCallingConfig"] = more
    names = tuple(calling.allowed_function_names or ())
    if mode == "ANY":
        return ToolChoice("required", names), rest
    if mode == "NONE":
        return ToolChoice("none"), rest
    if mode == "MODE_UNSPECIFIED" and not names:
        return None, rest
    return ToolChoice("auto", names), rest


def _mode(mode: str | int | UnsetType, at: str) -> str:
    if mode is UNSET:
        return "MODE_UNSPECIFIED"
    if isinstance(mode, int) and 0 <= mode < len(_MODES):
        return _MODES[mode]
    if isinstance(mode, str) and mode.upper() in (*_MODES, ""):
        return mode.upper() or "MODE_UNSPECIFIED"
    raise reject(at, f"{mode!r} is not a mode. Use one of {', '.join(_MODES[1:])}.")
