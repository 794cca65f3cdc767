"""Tools, prompts and resources for MCP clients, and the context of one call.

A method that returns a "value" can also return a Deferred or a coroutine with that value.  If the
client cancels a call or disconnects, the Deferred is cancelled, or the one that the coroutine
waits for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.mcp_values import (
    ClientRequest,
    Completion,
    Json,
    LogLevel,
    McpChange,
    PromptValue,
    ResourceValue,
    ToolValue,
)


class IMcpContext(Interface):
    """One call of a tool, a prompt or a resource, and the client that made it."""

    principal = Attribute("An opaque name for the API key that was used.  :type: str")
    revision = Attribute("The revision of MCP that the client speaks.  :type: str")
    client = Attribute("The client's name, version and so on, as it reports them.  :type: Json")
    capabilities = Attribute("The capabilities that the client declares.  :type: Json")
    meta = Attribute("The ``_meta`` of the client's request.  :type: Json")
    operator_view = Attribute(
        "The gateway, for tools that not every client may call.  :type: OperatorView | None"
    )
    is_cancelled = Attribute("Whether the call was cancelled.  :type: bool")

    def progress(progress: float, total: float | None = None, message: str = "") -> None:
        """Report the progress of the call, if the client requested reports."""

    def log(level: LogLevel, data: Any, logger: str = "") -> None:
        """Send a log message to the client, if it requested messages of this level."""

    def can_ask(request: ClientRequest) -> bool:
        """Return whether the client declares that it supports such a request."""

    def ask(requests: Mapping[str, ClientRequest]) -> Deferred[Mapping[str, Json]]:
        """Send requests to the client; the caller chooses a name for each.

        Return a Deferred that fires with the client's results by these names.  It fails with an
        ``McpError`` if the client does not support a request, or reports a failure.

        In stateless revisions the call ends here.  It starts again when the client repeats it
        with the results, which this method then returns at once.  So ask before you change
        anything, and always in the same order and with the same names.
        """

    def elicit(message: str, schema: Json, name: str = "elicitation") -> Deferred[Json]:
        """Ask the user for input; the result has ``action`` and, after ``accept``, ``content``."""

    def sample(params: Json, name: str = "sampling") -> Deferred[Json]:
        """Ask the client's model; ``params`` are the parameters of ``sampling/createMessage``."""

    def list_roots(name: str = "roots") -> Deferred[Json]:
        """Request the list of the client's folders; the result has ``roots``."""

    def start_task(message: str = "") -> bool:
        """Continue the call as a task, if the client supports tasks; return whether it is one.

        The client gets the task as the response to its call, and ``message`` as its state.  It
        asks for the result later.  From here on ``ask`` waits for the client, ``progress`` sets
        the task's message, and the end of the connection does not cancel the call.
        """

    def disconnect() -> None:
        """Close the client's connection, if the client can reconnect to get the response."""


class IMcpTool(Interface):
    """A tool that a model can call."""

    name = Attribute("The name: letters, digits, ``_``, ``-`` and ``.``.  :type: str")
    title = Attribute("The name for users, or ``''``.  :type: str")
    description = Attribute("What it does, for the model.  :type: str")
    input_schema = Attribute("The JSON Schema of its arguments, an object.  :type: Json")
    output_schema = Attribute("The JSON Schema of the structured result.  :type: Json | None")
    annotations = Attribute("Hints such as ``readOnlyHint``.  :type: Json | None")

    def call(arguments: dict[str, Any], context: IMcpContext) -> ToolValue:
        """Run the tool and return its value; the arguments are valid under the schema.

        :raises ToolError: if the tool fails; the model gets the message.
        :raises McpError: if the response must be a JSON-RPC error.
        """


class IMcpTaskTool(IMcpTool):
    """A tool whose calls can continue as tasks, for clients that support that."""

    task_support = Attribute("How; ``None`` if they cannot after all.  :type: TaskSupport | None")


class IMcpRestrictedTool(IMcpTool):
    """A tool that not every client may see and call."""

    def is_allowed(context: IMcpContext) -> bool:
        """Return whether the client of a call may; others are told that there is no such tool."""


class IMcpRelayed(Interface):
    """A tool of another server, which checks the arguments against its own schema."""


class IMcpDescribed(Interface):
    """A tool, prompt, resource or template with more fields in lists (icons, ``_meta``)."""

    extra = Attribute("Fields to add to its entry in lists.  :type: Json")


class IMcpPrompt(Interface):
    """A prompt that a user can choose."""

    name = Attribute("The name.  :type: str")
    title = Attribute("The name for users, or ``''``.  :type: str")
    description = Attribute("The purpose, for users.  :type: str")
    arguments = Attribute("The arguments.  :type: Sequence[PromptArgument]")

    def get(arguments: dict[str, str], context: IMcpContext) -> PromptValue:
        """Return the value for ``arguments``; all required ones are present."""


class IMcpResource(Interface):
    """A resource that a client can read."""

    uri = Attribute("The URI.  :type: str")
    name = Attribute("The name.  :type: str")
    title = Attribute("The name for users, or ``''``.  :type: str")
    description = Attribute("The content, for users.  :type: str")
    mime_type = Attribute("The media type, or ``''``.  :type: str")

    def read(uri: str, context: IMcpContext) -> ResourceValue:
        """Return the value at ``uri``."""


class IMcpResourceTemplate(Interface):
    """A family of resources, by a URI template (``{name}``, or ``{+path}`` with slashes)."""

    uri_template = Attribute("The template, RFC 6570.  :type: str")
    name = Attribute("The name.  :type: str")
    title = Attribute("The name for users, or ``''``.  :type: str")
    description = Attribute("The content, for users.  :type: str")
    mime_type = Attribute("The media type, or ``''``.  :type: str")

    def read(uri: str, arguments: dict[str, str], context: IMcpContext) -> ResourceValue:
        """Return the value at ``uri``; ``arguments`` are the values of the template's names."""


class IMcpCompleter(Interface):
    """A prompt or a resource template that suggests values for its arguments."""

    def complete(argument: str, value: str, known: Mapping[str, str]) -> Completion:
        """Return values that begin with ``value``; ``known`` are the other arguments."""


class IMcpCatalog(Interface):
    """A set of tools, prompts and resources that can change while the gateway runs.

    With a ``namespace``, clients see its tools and prompts as ``NAMESPACE__NAME``.  If two
    catalogs have the same name or URI, that of the first catalog is used.
    """

    namespace = Attribute("The prefix of its names, or ``''``.  :type: str")

    def tools() -> Sequence[IMcpTool]:
        """Return the current tools."""

    def prompts() -> Sequence[IMcpPrompt]:
        """Return the current prompts."""

    def resources() -> Sequence[IMcpResource]:
        """Return the current resources."""

    def templates() -> Sequence[IMcpResourceTemplate]:
        """Return the current resource templates."""

    def watch(changed: Callable[[McpChange], None]) -> Callable[[], None]:
        """Call ``changed`` for every change; return a function that stops that."""


class IMcpRemoteCatalog(IMcpCatalog):
    """A catalog of another server, whose tools can have pages (``ui://``)."""

    def find_resource(uri: str) -> IMcpResource | None:
        """Return the resource at ``uri``, which may be in no list; ``None`` if it has another."""

    def client_lists(*, shows_pages: bool) -> None:
        """Prepare for a client that reads a list, and that may show pages.

        Lists that are out of date are read again, after the client's own request.
        """


class McpCall(Struct, frozen=True):
    """One HTTP request to an MCP endpoint, already authenticated, with its whole body.

    ``is_tunnelled`` says whether it came through the tunnel.
    ``headers`` have lower-case names and contain no credentials.
    """

    method: str
    headers: Mapping[str, str]
    body: bytes
    principal: str = ""
    request_id: str = ""
    loopback: bool = True
    is_tunnelled: bool = False


class IMcpEndpoint(Interface):
    """The handler of one path, such as ``/mcp``."""

    def handle(call: McpCall) -> Deferred[Reply]:
        """Serve one HTTP request.

        Return a Deferred that fires with a :class:`Reply`, also for errors.  It is cancelled if
        the client disconnects.
        """
