"""The operator's commands to a running gateway."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from antigravity.interfaces.status import GatewayStatus, TunnelStatus


class ModelQuestion(Struct, frozen=True, forbid_unknown_fields=True):
    """A model, and the client protocol that asks for it."""

    model: Annotated[str, Meta(min_length=1)]
    protocol: str = "openai_chat"


class MappingStep(Struct, frozen=True):
    """One step of a mapping: the rule, and the names before and after it."""

    rule: str
    source: str
    target: str


class UpstreamExplanation(Struct, frozen=True):
    """Why an upstream was chosen or not.

    ``rank`` is its position among the chosen ones, which several can share.  ``model`` is its own
    name for the model.  ``quirks`` has the meaning of each.
    """

    upstream: str
    chosen: bool
    rank: int | None
    model: str | None
    reason: str
    quirks: dict[str, str]


class AccountExplanation(Struct, frozen=True):
    """Whether an account can serve a model, and why.

    ``free_in`` is in seconds, ``remaining`` is what is left of its quota for the model (0 to 1);
    both are ``None`` if they are not known.  The address in its label is masked.
    """

    account: str
    upstream: str
    model: str
    state: Literal["chosen", "available", "locked", "busy", "excluded", "disabled", "protected"]
    reason: str
    free_in: float | None
    label: str = ""
    remaining: float | None = None


class Explanation(Struct, frozen=True):
    """How a request for a model would be routed, and why.

    ``served`` says whether an account could serve it, now or after a short wait; if not,
    ``problem`` says why, and what helps.
    """

    model: str
    mapped_model: str
    steps: list[MappingStep]
    upstreams: list[UpstreamExplanation]
    accounts: list[AccountExplanation]
    served: bool = True
    problem: str = ""


class Belief(Struct, frozen=True):
    """A capability of a model, its value, and the source of the value."""

    field: str
    value: Any
    source: str


class ModelDescription(Struct, frozen=True):
    """A model at one upstream.

    ``plain`` is the name that the shipped rules know, ``native`` whether requests of the protocol
    are passed through.  ``refused_parameters`` has the upstream's message about each.
    """

    upstream: str
    model: str
    plain: str
    protocol: str
    native: bool
    quirks: list[str]
    beliefs: list[Belief]
    refused_parameters: dict[str, str]


class ModelDescriptions(Struct, frozen=True):
    """What is believed about a model at each upstream that would serve it, best first."""

    model: str
    upstreams: list[ModelDescription]


class UnlockedAccount(Struct, frozen=True):
    """An account whose locks were ended, for one model or for all, and their number."""

    account: str
    model: str | None
    unlocked: int


class WarmupResult(Struct, frozen=True):
    """The result of one warm-up; ``model`` is a model group if it was skipped."""

    account: str
    upstream: str
    model: str
    state: Literal["warmed", "skipped", "failed", "cancelled"]
    reason: str = ""


class WarmupReport(Struct, frozen=True):
    """The results of warm-ups; ``success`` if none has failed or was cancelled."""

    success: bool
    results: list[WarmupResult]


class RunningRequest(Struct, frozen=True, kw_only=True):
    """A request that is being served.

    Clients may repeat ids; ``reference`` names this request alone, while it runs.  ``time`` is when
    it began, in ISO 8601, ``age`` how many seconds ago.  ``model`` is what the
    client asked for; ``upstream``, ``served_model`` and ``account`` are those of the running
    attempt, the number of which is ``attempts``.  ``first_byte`` is in seconds after the beginning,
    ``None`` if the response has not begun.
    """

    id: str
    reference: str
    time: str
    age: float
    protocol: str
    operation: str
    stream: bool
    model: str
    served_model: str
    upstream: str
    account: str
    client: str
    session: str
    attempts: int
    first_byte: float | None


class RunningRequests(Struct, frozen=True):
    """The requests that are being served, oldest first."""

    requests: list[RunningRequest]


class CancelledRequest(Struct, frozen=True):
    """The reference or the id of a request that was cancelled."""

    cancelled: str


class ReplayRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """The model that the request goes to, in place of the one that it named."""

    model: str = ""


class ReplayedRequest(Struct, frozen=True):
    """The response to a request that was sent again, which has a record of its own.

    ``cut`` counts the bytes that are missing at the end of ``body``.
    """

    id: str
    status: int
    content_type: str
    body: str
    cut: int = 0


class IAdministration(Interface):
    """Shows and changes the state of a gateway.  No result has a secret."""

    system = Attribute("The installation, an ``ISystemControl``.")
    accounts = Attribute("The accounts, an ``IAccountControl``.")
    keys = Attribute("The keys of clients, an ``IKeyControl``.")
    access = Attribute("Keys, and how clients are set up, an ``IAccess``.")
    connections = Attribute("The clients on the gateway's machine, an ``IConnections``.")
    lab = Attribute("Trials of requests, an ``ILab``.")
    models = Attribute("The models and rules about their names, an ``IModelAdministration``.")

    def status() -> GatewayStatus:
        """Return accounts (masked), locks, bindings, quotas, queue, requests, configuration."""

    def is_current() -> bool:
        """Return whether the newest configuration is used; if not, it was refused."""

    def running() -> RunningRequests:
        """Return the requests that are being served, oldest first."""

    def cancel(name: str) -> CancelledRequest:
        """Cancel a running request: its client gets an error, its upstream is cancelled.

        :param name: its reference, or an id: then all running requests with it are cancelled.
        :raises NotFoundError: if no such request is running.
        """

    def replay(request_id: str, model: str) -> Deferred[ReplayedRequest]:
        """Return a Deferred that fires with the response to a request that is sent again.

        ``model`` replaces the one that it named, unless it is empty.  It fails with a
        ``NotFoundError`` if the request is not kept, and with a ``ConflictError`` that says why it
        cannot be sent again.
        """

    def explain(model: str, protocol: str) -> Deferred[Explanation]:
        """Return a Deferred that fires with the account that would serve ``model``, and why.

        If none can, the result says why each upstream and account does not.  ``protocol`` is the
        name of the client's protocol; it fails with an ``InvalidRequestError`` if there is none.
        """

    def describe_model(model: str, protocol: str) -> Deferred[ModelDescriptions]:
        """Return a Deferred that fires with what is believed about ``model``, and why.

        It names, for each upstream that would serve a client of ``protocol``, the capabilities of
        the model, their sources, and the parameters that were refused.  It fails with a
        ``GatewayError`` if no upstream can serve the model.
        """

    def reload() -> Deferred[None]:
        """Return a Deferred that fires when the configuration has been reloaded.

        It fails with the problem if the configuration is not valid.
        """

    def fix_account(credential: str | None) -> None:
        """Use one account for every request that it can serve; ``None`` ends that."""

    def unlock_account(account: str, model: str) -> UnlockedAccount:
        """End the locks of an account (id, label, or beginning of an id), for one model or for all.

        :raises NotFoundError: if there is no such account.
        """

    def clear_bindings() -> None:
        """Remove all bindings of sessions to accounts."""

    def warm_up(account: str, model: str, project: str) -> Deferred[WarmupReport]:
        """Send small requests that start the periods of quotas.

        Return a Deferred that fires with the result of each.  An empty ``account`` stands for all
        accounts whose quotas are known, an empty ``model`` for all models with a full quota;
        ``project`` replaces the account's own.  It fails with a ``GatewayError`` if there is no
        such account, or a model must be named.
        """

    def tunnel() -> TunnelStatus:
        """Return the state of the tunnel, its URLs, and why it is not connected."""

    def start_tunnel(insecure: bool) -> None:
        """Start the tunnel; ``insecure`` allows everyone on the Internet to use the gateway.

        :raises ConflictError: if it cannot start; the message says what to do.
        """

    def stop_tunnel() -> Deferred[None]:
        """Return a Deferred that fires when the tunnel has stopped."""
