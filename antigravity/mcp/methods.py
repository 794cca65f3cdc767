"""The methods for tools, prompts and resources, which are the same in all revisions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from txaio import tx as txaio

from antigravity.interfaces.mcp import IMcpCompleter, IMcpRelayed, IMcpRestrictedTool
from antigravity.interfaces.mcp_values import Completion, McpError, ToolError
from antigravity.ir.errors import GatewayError
from antigravity.logs import make_logger
from antigravity.mcp import tool_rules
from antigravity.mcp.catalog import SEPARATOR
from antigravity.mcp.context import CallContext
from antigravity.mcp.protocol import content, lists, messages, uri_templates
from antigravity.mcp.protocol.extensions import UI
from antigravity.mcp.protocol.headers import check_parameters
from antigravity.mcp.protocol.schemas import SchemaError, Validator
from antigravity.mcp.registry import McpRegistry

_MOST_COMPLETIONS: Final = 100
#: The maximum length of a URI, so that subscriptions take bounded memory.
LONGEST_URI: Final = 4096
_INTERNAL_FAILURE: Final = "failed; see the gateway's log."

Method = Callable[[Mapping[str, Any], CallContext], Any]


class Methods:
    """The methods of one registry; each returns its result, or a Deferred that fires with it."""

    log = make_logger()

    def __init__(self, registry: McpRegistry) -> None:
        self.registry = registry
        self._validators: dict[tuple[str, str], Validator] = {}
        self._methods: dict[str, Method] = {
            "tools/list": self._list_tools,
            "tools/call": self._call_tool,
            "prompts/list": self._list_prompts,
            "prompts/get": self._get_prompt,
            "resources/list": self._list_resources,
            "resources/templates/list": self._list_templates,
            "resources/read": self._read_resource,
            "completion/complete": self._complete,
        }

    def __contains__(self, method: str) -> bool:
        return method in self._methods

    def call(self, method: str, params: Mapping[str, Any], context: CallContext) -> Any:
        """Return the result of ``method``, or a Deferred that fires with it.

        :raises McpError: if the request is not valid.
        """
        function = self._methods.get(method)
        if function is None:
            raise unknown_method(method)
        return function(params, context)

    # -- lists --

    def _list_tools(self, params: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
        self.registry.client_lists(shows_pages=context.has_extension(UI))
        items, rules = self.registry.tools().items(), self.registry.tool_rules()
        entries = [
            lists.tool(name, one, context.rules)
            for name, one in items
            if name not in rules or tool_rules.is_visible(rules[name], context)
        ]
        return lists.page("tools", entries, params)

    def _list_prompts(self, params: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
        self.registry.client_lists(shows_pages=False)
        items = self.registry.prompts().items()
        entries = [lists.prompt(name, one, context.rules) for name, one in items]
        return lists.page("prompts", entries, params)

    def _list_resources(self, params: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
        self.registry.client_lists(shows_pages=False)
        items = self.registry.resources().items()
        entries = [lists.resource(uri, one, context.rules) for uri, one in items]
        return lists.page("resources", entries, params)

    def _list_templates(self, params: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
        items = self.registry.templates().items()
        entries = [lists.template(uri, one, context.rules) for uri, one in items]
        return lists.page("resourceTemplates", entries, params)

    # -- tools --

    def _call_tool(self, params: Mapping[str, Any], context: CallContext) -> Any:
        name = text(params, "name")
        tool = self.registry.tools().get(name)
        if tool is None:
            name = tool_rules.name_of(params, self.registry, context)
            tool = self.registry.tools()[name]
        if IMcpRestrictedTool.providedBy(tool) and not tool.is_allowed(context):
            raise tool_rules.unknown_tool(name)
        if context.tool_call is not None:
            context.tool_call.tool = name
            if IMcpRelayed.providedBy(tool):
                context.tool_call.server = name.partition(SEPARATOR)[0]
        arguments = params.get("arguments")
        arguments = {} if arguments is None else arguments
        if not isinstance(arguments, dict):
            raise McpError(
                messages.INVALID_PARAMS, "The arguments of a tool must be a JSON object."
            )
        if context.rules.stateless:
            check_parameters(tool.input_schema, arguments, context.headers)
        if not IMcpRelayed.providedBy(tool):
            problems = self._validator(name, "input", tool.input_schema).problems(arguments)
            if problems:
                return content.failed(f"The arguments do not match the tool's schema: {problems}")
        rules = self.registry.tool_rules()
        if name in rules or context.wants_task:
            tool_rules.apply(rules.get(name), params, context)
        called: Deferred[Any] = txaio.as_future(tool.call, arguments, context)
        called.addCallback(self._tool_result, name, tool, context)
        return called.addErrback(self._tool_failed, name)

    def _tool_result(
        self, value: Any, name: str, tool: Any, context: CallContext
    ) -> dict[str, Any]:
        schema = tool.output_schema
        result = content.tool_result(value, has_schema=schema is not None)
        if schema is not None and not result.is_error and not IMcpRelayed.providedBy(tool):
            problems = self._validator(name, "output", schema).problems(result.structured)
            if problems:
                self.log.error(
                    "the result of the tool {name} does not match its output schema", name=name
                )
                return content.failed("The tool's result does not match its output schema.")
        return content.encode_tool_result(result, context.rules)

    def _tool_failed(self, failure: Failure, name: str) -> Any:
        error = failure.value
        if isinstance(error, (CancelledError, McpError)):
            return failure
        if isinstance(error, ToolError):
            return content.failed(str(error))
        if isinstance(error, GatewayError):
            return content.failed(error.message)
        self.log.failure("the tool {name} failed", failure=failure, name=name)
        return content.failed(f"The tool {_INTERNAL_FAILURE}")

    def _validator(self, name: str, kind: str, schema: Any) -> Validator:
        """Return the validator of a schema, from a cache."""
        validator = self._validators.get((name, kind))
        if validator is None or validator.schema is not schema:
            if len(self._validators) >= 10_000:
                self._validators.clear()
            try:
                validator = self._validators[name, kind] = Validator(schema)
            except SchemaError as error:
                raise McpError(
                    messages.INTERNAL_ERROR, f"The tool {name} cannot be called: {error}"
                ) from None
        return validator

    # -- prompts and resources --

    def _get_prompt(self, params: Mapping[str, Any], context: CallContext) -> Any:
        name = text(params, "name")
        prompt = self.registry.prompts().get(name)
        if prompt is None:
            raise McpError(messages.INVALID_PARAMS, f"Unknown prompt: {name[:200]}")
        arguments = texts(params, "arguments")
        missing = [a.name for a in prompt.arguments if a.required and a.name not in arguments]
        if missing:
            raise McpError(messages.INVALID_PARAMS, f"Missing argument: {', '.join(missing)}")
        done: Deferred[Any] = txaio.as_future(prompt.get, arguments, context)
        done.addCallback(content.encode_prompt, context.rules)
        return done.addErrback(self._failed, f"The prompt {name}")

    def _read_resource(self, params: Mapping[str, Any], context: CallContext) -> Any:
        uri = text(params, "uri")
        resource = self.registry.resources().get(uri)
        if resource is None and uri.startswith("ui://") and _is_short(uri):
            resource = self.registry.find_page(uri)
        if resource is not None:
            done: Deferred[Any] = txaio.as_future(resource.read, uri, context)
        else:
            resource, arguments = self._template_of(uri, context)
            done = txaio.as_future(resource.read, uri, arguments, context)
        done.addCallback(content.encode_resource, uri, resource.mime_type)
        done.addErrback(_renumber, context)
        return done.addErrback(self._failed, "The resource")

    def _template_of(self, uri: str, context: CallContext) -> tuple[Any, dict[str, str]]:
        for template, found in self.registry.templates().items() if _is_short(uri) else ():
            arguments = uri_templates.match(template, uri)
            if arguments is not None:
                return found, arguments
        raise McpError(context.rules.resource_not_found, "Resource not found", {"uri": uri})

    def check_resource(self, params: Mapping[str, Any], context: CallContext) -> str:
        """Return the URI in ``params``.

        :raises McpError: if there is no such resource.
        """
        uri = text(params, "uri")
        if not _is_short(uri):
            raise McpError(
                messages.INVALID_PARAMS, f"A URI can have up to {LONGEST_URI} characters."
            )
        if uri not in self.registry.resources():
            self._template_of(uri, context)
        return uri

    def _failed(self, failure: Failure, what: str) -> Failure:
        error = failure.value
        if isinstance(error, (CancelledError, McpError)):
            return failure
        if isinstance(error, ToolError):
            raise McpError(messages.INTERNAL_ERROR, str(error))
        if isinstance(error, GatewayError):
            raise McpError(messages.INTERNAL_ERROR, error.message)
        self.log.failure("{what} failed", failure=failure, what=what)
        raise McpError(messages.INTERNAL_ERROR, f"{what} {_INTERNAL_FAILURE}")

    # -- completion --

    def _complete(self, params: Mapping[str, Any], context: CallContext) -> Any:
        argument, value, arguments = _completion_params(params)
        completer = self._completer(params)
        if not IMcpCompleter.providedBy(completer):
            return _encode_completion(Completion(()))
        done: Deferred[Any] = txaio.as_future(completer.complete, argument, value, arguments)
        done.addCallback(_encode_completion)
        return done.addErrback(self._failed, "The completion")

    def _completer(self, params: Mapping[str, Any]) -> Any:
        reference = params.get("ref")
        if isinstance(reference, Mapping):
            if reference.get("type") == "ref/prompt":
                completer = self.registry.prompts().get(text(reference, "name"))
            elif reference.get("type") == "ref/resource":
                uri = text(reference, "uri")
                completer = self.registry.templates().get(uri) or self.registry.resources().get(uri)
            else:
                completer = None
            if completer is not None:
                return completer
        raise McpError(messages.INVALID_PARAMS, "Unknown prompt or resource template.")


def _renumber(failure: Failure, context: CallContext) -> Failure:
    """Return the failure of another server with the code of the client's revision."""
    error, code = failure.value, context.rules.resource_not_found
    if isinstance(error, McpError) and error.code == messages.RESOURCE_NOT_FOUND != code:
        raise McpError(code, error.message, error.data)
    return failure


def _is_short(uri: str) -> bool:
    return len(uri) <= LONGEST_URI


def unknown_method(method: str) -> McpError:
    """Return the error for an unknown method."""
    return McpError(messages.METHOD_NOT_FOUND, f"Method not found: {method[:200]}")


def text(params: Mapping[str, Any], key: str) -> str:
    """Return a parameter of type string.

    :raises McpError: if it is missing or has another type.
    """
    value = params.get(key)
    if not isinstance(value, str):
        raise McpError(messages.INVALID_PARAMS, f"The parameter {key} must be a string.")
    return value


def texts(params: Mapping[str, Any], key: str) -> dict[str, str]:
    """Return an optional parameter that is an object of strings.

    :raises McpError: if it has another type.
    """
    value = params.get(key) or {}
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise McpError(
            messages.INVALID_PARAMS, f"The parameter {key} must be an object with string values."
        )
    return value


def _completion_params(params: Mapping[str, Any]) -> tuple[str, str, dict[str, str]]:
    argument, around = params.get("argument"), params.get("context")
    if not isinstance(argument, Mapping):
        raise McpError(messages.INVALID_PARAMS, "The parameter argument must be an object.")
    arguments = texts(around, "arguments") if isinstance(around, Mapping) else {}
    return text(argument, "name"), text(argument, "value"), arguments


def _encode_completion(completion: Completion) -> dict[str, Any]:
    values = list(completion.values)
    out: dict[str, Any] = {
        "values": values[:_MOST_COMPLETIONS],
        "hasMore": completion.has_more or len(values) > _MOST_COMPLETIONS,
    }
    total = completion.total if completion.total is not None else len(values)
    out["total"] = total
    return {"completion": out}
