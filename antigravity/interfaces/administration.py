"""What an operator can ask of a running gateway."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from zope.interface import Interface


class IAdministration(Interface):
    """Shows and changes how a gateway serves.  All values are JSON objects without secrets."""

    def status() -> dict[str, object]:
        """Return accounts (masked), locks, bindings, queue, requests and configuration."""

    def is_current() -> bool:
        """Return whether the newest configuration is in force: if not, it could not be used."""

    def explain(model: str, protocol: str) -> Deferred[dict[str, object]]:
        """Return a Deferred that fires with who would serve ``model``, and why nobody else.

        ``protocol`` is the name of the client's protocol.  It fails with a ``GatewayError`` if
        nobody would.
        """

    def reload() -> Deferred[None]:
        """Return a Deferred that fires when the configuration was read anew.

        It fails, with what is wrong, if the configuration can't be used.
        """

    def fix_account(credential: str | None) -> None:
        """Serve everything that it can from one account, or from all again."""

    def unlock_account(account: str, model: str) -> dict[str, object]:
        """End the locks of an account (id, label, or beginning of an id), for one model or for all.

        Return its id, the model, and how many locks there were.

        :raises NotFoundError: if there is no such account.
        """

    def clear_bindings() -> None:
        """Forget which conversation belongs to which account."""

    def warm_up(account: str, model: str, project: str) -> Deferred[dict[str, object]]:
        """Send tiny requests, so that the windows of quotas begin.

        Return a Deferred that fires with what became of each.  An empty ``account`` stands for
        all whose quotas are known, an empty ``model`` for everything that is full; ``project``
        takes the place of the account's own.  It fails with a ``GatewayError`` if there is no
        such account, or the model has to be named.
        """

    def tunnel() -> dict[str, object]:
        """Return how the tunnel is: its state, its addresses, and why it is not up."""

    def start_tunnel(insecure: bool) -> None:
        """Start the tunnel; ``insecure`` says that everybody on the Internet may come in.

        :raises ConflictError: if it can't be started, with the remedy.
        """

    def stop_tunnel() -> Deferred[None]:
        """Return a Deferred that fires when the tunnel is gone."""
