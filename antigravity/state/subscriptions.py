"""The listeners of a gateway, which a backend that replaces another one, or is back, gets again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import inlineCallbacks

from antigravity.interfaces.state import Listener, StateError


class _Subscription:
    """A listener, and what ends its subscription at the backend, if there is one."""

    def __init__(self, channel: str, listener: Listener) -> None:
        self.channel = channel
        self.listener = listener
        self.end: Callable[[], None] | None = None
        self.is_pending = False
        self.has_ended = False


class Subscriptions:
    """All listeners.

    :param subscribe: subscribes one at the backend in use; it returns a Deferred with the function
        that ends that, which fails with a :class:`StateError` while it is out of reach.
    """

    def __init__(self, subscribe: Callable[[str, Listener], Any]) -> None:
        self._subscribe = subscribe
        self._all: list[_Subscription] = []
        self._backends = 0

    @inlineCallbacks
    def add(self, channel: str, listener: Listener) -> Any:
        """Return a Deferred with a function that ends the subscription.

        It fires although the backend is out of reach; the listener is called when it is back.
        """
        subscription = _Subscription(channel, listener)
        self._all.append(subscription)
        yield self._try(subscription)

        def unsubscribe() -> None:
            subscription.has_ended = True
            if subscription in self._all:
                self._all.remove(subscription)
            end, subscription.end = subscription.end, None
            if end is not None:
                end()

        return unsubscribe

    def forget_backend(self) -> None:
        """Forget which listeners were subscribed: another backend takes its place."""
        self._backends += 1
        for each in self._all:
            each.end = None

    @inlineCallbacks
    def renew(self) -> Any:
        """Subscribe all listeners that are not subscribed at the backend."""
        for each in tuple(self._all):
            yield self._try(each)

    @inlineCallbacks
    def _try(self, subscription: _Subscription) -> Any:
        if subscription.end is not None or subscription.is_pending:
            return
        subscription.is_pending, backend = True, self._backends
        try:
            end = yield self._subscribe(subscription.channel, subscription.listener)
        except StateError:
            return
        finally:
            subscription.is_pending = False
        if subscription.has_ended:
            end()
        elif backend == self._backends:
            subscription.end = end
