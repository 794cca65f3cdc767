"""The state that a gateway shares with others, as its configuration wants it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import inlineCallbacks

from antigravity.config.errors import ConfigurationError
from antigravity.config.state_settings import StateSettings
from antigravity.context.sealed_summary import KEY_SIZE
from antigravity.interfaces.status import SharedStateStatus
from antigravity.state.content import SharedContent
from antigravity.state.shared import SharedState, find_kind


class GatewayState(SharedState):
    """The shared state of a gateway, which outlives a configuration.

    :param home_key: returns a secret that all processes of the home have.
    :ivar content: the contents of requests that gateways share.
    :ivar summary_key: seals summaries so that the gateways of other homes can open them, ``None``
        if they share nothing.
    """

    def __init__(self, reactor: Any, home_key: Callable[[], bytes]) -> None:
        super().__init__(reactor)
        self._home_key = home_key
        self.content = SharedContent(self, reactor)
        self.summary_key: bytes | None = None

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
        self.summary_key = None
        if settings.secret and secret is not None:
            key = hashlib.blake2b(secret, digest_size=KEY_SIZE, person=b"summary key")
            self.summary_key = key.digest()

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
