"""What can be offered over MCP, and what it may ask of the gateway and of the client.

Whatever a method documented as ``value`` returns may also come later, as a Deferred or a
coroutine; it is called through ``txaio.as_future``.  A call that nobody waits for any more is
cancelled: its Deferred is, or the one that its coroutine waits for.
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
    """One call of a tool, a prompt or a resource, and the client behind it."""

    principal = Attribute("An opaque name for the API key that was used.  :type: str")
    revision = Attribute("The revision of MCP that the client speaks.  :type: str")
    client = Attribute("Who the client says it is: name, version and so on.  :type: Json")
    capabilities = Attribute("What the client says it can do.  :type: Json")
    meta = Attribute("The ``_meta`` of the client's request.  :type: Json")
    is_cancelled = Attribute("Whether nobody waits for the answer any more.  :type: bool")

    def progress(progress: float, total: float | None = None, message: str = "") -> None:
        """Tell how far the call is; nothing is sent if the client did not ask for it."""

    def log(level: LogLevel, data: Any, logger: str = "") -> None:
        """Send a log message to the client, if it wants messages of this level."""

    def can_ask(request: ClientRequest) -> bool:
        """Return whether the client says that it can answer such a request."""

    def ask(requests: Mapping[str, ClientRequest]) -> Deferred[Mapping[str, Json]]:
        """Ask something of the client, by names of the caller's choice.

        Return a Deferred that fires with the client's results by the same names.  It fails with
        an ``McpError`` if the client cannot do that, or says that it failed.

        In stateless revisions the call ends here, and begins anew when the client calls
        again with its answers, which are then given at once.  So ask before you change
        anything, and always in the same order and by the same names.
        """

    def elicit(message: str, schema: Json, name: str = "elicitation") -> Deferred[Json]:
        """Ask the user; the result has ``action`` and, if it is ``accept``, ``content``."""

    def sample(params: Json, name: str = "sampling") -> Deferred[Json]:
        """Ask the client's model; ``params`` are those of ``sampling/createMessage``."""

    def list_roots(name: str = "roots") -> Deferred[Json]:
        """Ask for the client's folders; the result has ``roots``."""

    def disconnect() -> None:
        """Hang up on the client for now, where it can come back for the answer."""


class IMcpTool(Interface):
    """Something that a model can call."""

    name = Attribute("The name: letters, digits, ``_``, ``-`` and ``.``.  :type: str")
    title = Attribute("The name for people, or ``''``.  :type: str")
    description = Attribute("What it does, for the model.  :type: str")
    input_schema = Attribute("The JSON Schema of its arguments, an object.  :type: Json")
    output_schema = Attribute("The JSON Schema of the structured result.  :type: Json | None")
    annotations = Attribute("Hints such as ``readOnlyHint``.  :type: Json | None")

    def call(arguments: dict[str, Any], context: IMcpContext) -> ToolValue:
        """Do it, and return the value.  The arguments have passed the schema.

        :raises ToolError: if it can't be done, with the reason for the model.
        :raises McpError: for an answer that is a JSON-RPC error.
        """


class IMcpRelayed(Interface):
    """A tool that somebody else checks the arguments of, against a schema that is theirs."""


class IMcpDescribed(Interface):
    """A tool, prompt, resource or template with more to say in lists (icons, ``_meta``)."""

    extra = Attribute("Fields to add to its entry in lists.  :type: Json")


class IMcpPrompt(Interface):
    """A text that a user can choose."""

    name = Attribute("The name.  :type: str")
    title = Attribute("The name for people, or ``''``.  :type: str")
    description = Attribute("What it is for.  :type: str")
    arguments = Attribute("What it takes.  :type: Sequence[PromptArgument]")

    def get(arguments: dict[str, str], context: IMcpContext) -> PromptValue:
        """Return the value for ``arguments``; none that is required is missing."""


class IMcpResource(Interface):
    """Something with an address that a client can read."""

    uri = Attribute("The address.  :type: str")
    name = Attribute("The name.  :type: str")
    title = Attribute("The name for people, or ``''``.  :type: str")
    description = Attribute("What it holds.  :type: str")
    mime_type = Attribute("Its media type, or ``''``.  :type: str")

    def read(uri: str, context: IMcpContext) -> ResourceValue:
        """Return the value at ``uri``."""


class IMcpResourceTemplate(Interface):
    """A family of resources, by a URI template (``{name}``, or ``{+path}`` with slashes)."""

    uri_template = Attribute("The template, RFC 6570.  :type: str")
    name = Attribute("The name.  :type: str")
    title = Attribute("The name for people, or ``''``.  :type: str")
    description = Attribute("What they hold.  :type: str")
    mime_type = Attribute("Their media type, or ``''``.  :type: str")

    def read(uri: str, arguments: dict[str, str], context: IMcpContext) -> ResourceValue:
        """Return the value at ``uri``, where the template's names have these values."""


class IMcpCompleter(Interface):
    """A prompt or a resource template that knows values for its arguments."""

    def complete(argument: str, value: str, known: Mapping[str, str]) -> Completion:
        """Return the values that go on from ``value``; ``known`` are other arguments."""


class IMcpCatalog(Interface):
    """Things that are offered together, and may change while the gateway runs.

    With a ``namespace``, its tools and prompts are offered as ``NAMESPACE__NAME``.  Where
    two catalogs offer the same name or address, the one that came first is used.
    """

    namespace = Attribute("What goes before its names, ``''`` for nothing.  :type: str")

    def tools() -> Sequence[IMcpTool]:
        """Return the tools that are there now."""

    def prompts() -> Sequence[IMcpPrompt]:
        """Return the prompts that are there now."""

    def resources() -> Sequence[IMcpResource]:
        """Return the resources that are there now."""

    def templates() -> Sequence[IMcpResourceTemplate]:
        """Return the resource templates that are there now."""

    def watch(changed: Callable[[McpChange], None]) -> Callable[[], None]:
        """Call ``changed`` for every change; return what ends that."""


class McpCall(Struct, frozen=True):
    """One HTTP request to an MCP endpoint, already authenticated, with its whole body.

    ``headers`` have lower-case names; no credential is among them.
    """

    method: str
    headers: Mapping[str, str]
    body: bytes
    principal: str = ""
    request_id: str = ""
    loopback: bool = True


class IMcpEndpoint(Interface):
    """What answers at one path, such as ``/mcp``."""

    def handle(call: McpCall) -> Deferred[Reply]:
        """Serve one HTTP request.

        Return a Deferred that fires with a :class:`Reply`, also for errors.  Cancelling it
        says that the client has gone.
        """
