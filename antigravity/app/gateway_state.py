"""The state that a gateway shares with others, as its configuration wants it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import inlineCallbacks

from antigravity.config.errors import ConfigurationError
from antigravity.config.state_settings import StateSettings
from antigravity.interfaces.status import SharedStateStatus
from antigravity.state.shared import SharedState, find_kind


class GatewayState(SharedState):
    """The shared state of a gateway, which outlives a configuration."""

    @inlineCallbacks
    def configure(self, settings: StateSettings, kinds: Mapping[str, Any]) -> Any:
        """Use what the settings name; the Deferred fires when it is connected, or soon after.

        :raises ConfigurationError: if it cannot be built; the earlier one stays in use.
        """
        try:
            yield self.use(settings.url.reveal(), settings.on_loss, kinds)
        except Exception as error:
            raise ConfigurationError(str(error), key="state.url") from error

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
