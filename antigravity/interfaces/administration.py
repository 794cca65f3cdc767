"""The operator's commands to a running gateway."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from zope.interface import Interface


class IAdministration(Interface):
    """Shows and changes the state of a gateway.  All results are JSON objects without secrets."""

    def status() -> dict[str, object]:
        """Return accounts (masked), locks, bindings, quotas, queue, requests, configuration."""

    def is_current() -> bool:
        """Return whether the newest configuration is used; if not, it was refused."""

    def explain(model: str, protocol: str) -> Deferred[dict[str, object]]:
        """Return a Deferred that fires with the account that would serve ``model``, and why.

        ``protocol`` is the name of the client's protocol.  It fails with a ``GatewayError`` if
        no account can.
        """

    def describe_model(model: str, protocol: str) -> Deferred[dict[str, object]]:
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

    def unlock_account(account: str, model: str) -> dict[str, object]:
        """End the locks of an account (id, label, or beginning of an id), for one model or for all.

        Return its id, the model, and the number of locks.

        :raises NotFoundError: if there is no such account.
        """

    def clear_bindings() -> None:
        """Remove all bindings of sessions to accounts."""

    def warm_up(account: str, model: str, project: str) -> Deferred[dict[str, object]]:
        """Send small requests that start the periods of quotas.

        Return a Deferred that fires with the result of each.  An empty ``account`` stands for all
        accounts whose quotas are known, an empty ``model`` for all models with a full quota;
        ``project`` replaces the account's own.  It fails with a ``GatewayError`` if there is no
        such account, or a model must be named.
        """

    def tunnel() -> dict[str, object]:
        """Return the state of the tunnel, its URLs, and why it is not connected."""

    def start_tunnel(insecure: bool) -> None:
        """Start the tunnel; ``insecure`` allows everyone on the Internet to use the gateway.

        :raises ConflictError: if it cannot start; the message says what to do.
        """

    def stop_tunnel() -> Deferred[None]:
        """Return a Deferred that fires when the tunnel has stopped."""
