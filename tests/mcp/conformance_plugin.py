"""A plugin with all tools, prompts and resources that the official conformance suite asks for."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from twisted.internet.task import deferLater

from antigravity.hookspecs import hookimpl
from antigravity.interfaces.mcp_values import (
    Audio,
    Completion,
    Contents,
    Embedded,
    Image,
    PromptArgument,
    PromptMessage,
    Text,
    ToolError,
)
from antigravity.mcp.catalog import Catalog
from antigravity.mcp.function_objects import Prompt, Resource, Template, Tool
from tests.mcp.input_requests import QUESTIONS, prompts_that_ask
from tests.mcp.task_tools import task_tools

PNG: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
)
WAV: Final = base64.b64decode("UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQIAAAAAAA==")
PICTURE: Final = Image(PNG, "image/png")
STATIC_TEXT: Final = "This is the content of the static text resource."


def embedded(uri: str, text: str, mime_type: str = "text/plain") -> Embedded:
    """Return a resource within a content."""
    return Embedded(Contents(text, uri, mime_type))


class Everything:
    """The plugin; ``clock`` is for tools that take their time."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self.changing = Catalog()
        self._changes = 0

    @hookimpl
    def register_mcp_tools(self, register: Callable[[object], None]) -> None:
        for name, function in {
            "test_simple_text": lambda a, c: "This is a simple text response for testing.",
            "test_image_content": lambda a, c: PICTURE,
            "test_audio_content": lambda a, c: Audio(WAV, "audio/wav"),
            "test_embedded_resource": lambda a, c: embedded(
                "test://embedded-resource", "This is an embedded resource content."
            ),
            "test_multiple_content_types": self._many,
            "test_tool_with_logging": self._logs,
            "test_logging_tool": self._logs,
            "test_tool_with_progress": self._progress,
            "test_error_handling": self._fails,
            "test_reconnection": self._disconnects,
            "test_trigger_tool_change": self._changes_tools,
            "test_trigger_prompt_change": self._changes_prompts,
        }.items():
            register(Tool(name, f"For the conformance suite: {name}.", function))
        register(
            Tool(
                "json_schema_2020_12_tool",
                "Has a schema of many keywords.",
                lambda arguments, c: json.dumps(arguments),
                JSON_SCHEMA,
            )
        )
        register(Tool("test_headers", "Mirrors arguments in headers.", _echo, MIRRORED))
        for tool in (*QUESTIONS, *task_tools(self._clock)):
            register(tool)

    @hookimpl
    def register_mcp_catalogs(self, register: Callable[[object], None]) -> None:
        register(self.changing)

    @hookimpl
    def register_mcp_prompts(self, register: Callable[[object], None]) -> None:
        two = (
            PromptArgument("arg1", "First test argument", required=True),
            PromptArgument("arg2", "Second test argument", required=True),
        )
        resource = (PromptArgument("resourceUri", "URI of the resource to embed", required=True),)
        register(
            Prompt(
                "test_simple_prompt",
                "Without arguments.",
                lambda a, c: "This is a simple prompt for testing.",
            )
        )
        register(
            Prompt(
                "test_prompt_with_arguments",
                "With two arguments.",
                lambda a, c: f"Prompt with arguments: arg1='{a['arg1']}', arg2='{a['arg2']}'",
                two,
                values=_complete,
            )
        )
        register(
            Prompt("test_prompt_with_embedded_resource", "Embeds.", _embedding_prompt, resource)
        )
        register(Prompt("test_prompt_with_image", "Shows.", _picture_prompt))
        for prompt in prompts_that_ask():
            register(prompt)

    @hookimpl
    def register_mcp_resources(self, register: Callable[[object], None]) -> None:
        register(
            Resource(
                "test://static-text",
                "Static Text Resource",
                lambda uri, c: STATIC_TEXT,
                "A static text resource for testing",
                "text/plain",
            )
        )
        register(
            Resource(
                "test://static-binary",
                "Static Binary Resource",
                lambda uri, c: PNG,
                "A static binary resource (image) for testing",
                "image/png",
            )
        )
        register(
            Resource(
                "test://watched-resource",
                "Watched Resource",
                lambda uri, c: f"Watched resource content {self._changes}",
                "A resource that changes",
                "text/plain",
            )
        )
        register(
            Template(
                "test://template/{id}/data",
                "Resource Template",
                _template,
                "A resource template with parameter substitution",
                "application/json",
            )
        )

    # -- tools --

    def _many(self, arguments: Mapping[str, Any], context: Any) -> Any:
        mixed = embedded(
            "test://mixed-content-resource", '{"test":"data","value":123}', "application/json"
        )
        return (Text("Multiple content types test:"), PICTURE, mixed)

    async def _logs(self, arguments: Mapping[str, Any], context: Any) -> str:
        context.log("info", "Tool execution started")
        await self._pause()
        context.log("info", "Tool processing data")
        await self._pause()
        context.log("info", "Tool execution completed")
        return "Logged three times."

    async def _progress(self, arguments: Mapping[str, Any], context: Any) -> str:
        for done in (0, 50, 100):
            context.progress(done, 100, f"{done} of 100")
            await self._pause()
        return "Done."

    def _fails(self, arguments: Mapping[str, Any], context: Any) -> Any:
        raise ToolError("This tool intentionally returns an error for testing")

    async def _disconnects(self, arguments: Mapping[str, Any], context: Any) -> str:
        context.disconnect()
        await self._pause(0.2)
        return "You came back for this."

    def _changes_tools(self, arguments: Mapping[str, Any], context: Any) -> str:
        self._changes += 1
        self.changing.set_tools([Tool(f"changing_{self._changes}", "Is new.", _echo)])
        self.changing.resource_updated("test://watched-resource")
        return "Changed."

    def _changes_prompts(self, arguments: Mapping[str, Any], context: Any) -> str:
        self._changes += 1
        self.changing.set_prompts(
            [Prompt(f"changing_{self._changes}", "Is new.", lambda a, c: "New.")]
        )
        return "Changed."

    def _pause(self, seconds: float = 0.05) -> Any:
        return deferLater(self._clock, seconds)


def _echo(arguments: Mapping[str, Any], context: Any) -> str:
    return json.dumps(arguments)


def _complete(argument: str, value: str, known: Mapping[str, str]) -> Completion:
    return Completion([one for one in ("test", "testing", "tested") if one.startswith(value)])


def _embedding_prompt(arguments: Mapping[str, str], context: Any) -> Any:
    content = embedded(arguments["resourceUri"], "Embedded resource content for testing.")
    return (
        PromptMessage(content),
        PromptMessage(Text("Please process the embedded resource above.")),
    )


def _picture_prompt(arguments: Mapping[str, str], context: Any) -> Any:
    return PromptMessage(PICTURE), PromptMessage(Text("Please analyze the image above."))


def _template(uri: str, arguments: Mapping[str, str], context: Any) -> str:
    found = arguments["id"]
    return json.dumps({"id": found, "templateTest": True, "data": f"Data for ID: {found}"})


MIRRORED: Final = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "query": {"type": "string"},
    },
    "required": ["region"],
}

JSON_SCHEMA: Final = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}, {}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {},
    "additionalProperties": False,
}
