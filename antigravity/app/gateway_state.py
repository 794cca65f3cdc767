"""The state that a gateway shares with others, as its configuration wants it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import inlineCallbacks

from antigravity.config.errors import ConfigurationError
from antigravity.config.state_settings import StateSettings
from antigravity.context.sealed_summary import KEY_SIZE, SummarySealer
from antigravity.interfaces.status import SharedStateStatus
from antigravity.state.content import SharedContent
from antigravity.state.kinds import find_kind
from antigravity.state.shared import SharedState


class GatewayState(SharedState):
    """The shared state of a gateway, which outlives a configuration.

    :param home_key: returns a secret that all processes of the home have.
    :ivar content: the contents of requests that gateways share.
    :ivar summaries: seals summaries; with the secret of all gateways each of them opens those of
        the others.
    """

    def __init__(self, reactor: Any, home_key: Callable[[], bytes]) -> None:
        super().__init__(reactor)
        self._home_key = home_key
        self.content = SharedContent(self, reactor)
        self.summaries: SummarySealer | None = None

    @inlineCallbacks
    def configure(self, settings: StateSettings, kinds: Mapping[str, Any]) -> Any:
        """Use what the settings name; the Deferred fires when it is connected, or soon after.

        :raises ConfigurationError: if it cannot be built; the earlier one stays in use.
        """
        try:
            yield self.use(settings.url.reveal(), settings.on_loss, kinds)
        except Exception as error:
            raise ConfigurationError(str(error), key="state.url") from error
        secret = self._content_secret(settings)
        self.content.use(secret)
        if self.summaries is not None:
            self.summaries.shared_key = _summary_key(settings.secret.reveal())

    def _content_secret(self, settings: StateSettings) -> bytes | None:
        """Return what encrypts contents, ``None`` if gateways share none."""
        if settings.secret:
            return settings.secret.reveal().encode()
        if settings.url.reveal().startswith("unix:"):  # of a process of this home
            return self._home_key()
        return None

    def status(self) -> SharedStateStatus:
        """Return what its operator gets to know."""
        found = self.numbers
        return SharedStateStatus(
            found.name, found.problem, found.gateways, found.failed, found.losses
        )


def _summary_key(secret: str) -> bytes | None:
    """Return the key that seals summaries for all gateways, ``None`` if they have no secret."""
    if not secret:
        return None
    return hashlib.blake2b(secret.encode(), digest_size=KEY_SIZE, person=b"summary key").digest()


def check_state(settings: StateSettings, kinds: Mapping[str, Any]) -> None:
    """Check the address of the shared state.

    :raises ConfigurationError: if it cannot be used.
    """
    url = settings.url.reveal()
    try:
        if url:
            find_kind(url, kinds).name(url)
    except ValueError as error:
        raise ConfigurationError(str(error), key="state.url") from None
