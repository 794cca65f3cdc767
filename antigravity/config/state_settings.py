"""The settings of the state that gateways share."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from antigravity.config.secret import Secret
from antigravity.config.value_types import TextSecret


class StateSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[state]``: what several gateways share.

    See `scaling <scaling.rst>`_.
    """

    url: TextSecret = Secret()
    """A Redis or Valkey server (``redis://``, ``rediss://`` with TLS), or the Unix socket of
    another process of the machine (``unix:/path``).  Empty: nothing is shared.  Redis needs ``pip
    install 'antigravity-gateway[redis]'``.

    ``valkey://…``, ``valkeys://…`` and ``redis+unix:///path`` are possible, too, and plugins can
    add others.  The address is a secret.  A reload connects to another address.

    Example: ``"rediss://user:password@state.example.org:6379/0"``
    """
    on_loss: Literal["local", "refuse"] = "local"
    """What becomes of the limits of keys while the state cannot be reached.  ``"local"``: each of N
    gateways enforces 1/N of them.  ``"refuse"``: requests of keys with limits fail with status 503.
    """
    secret: Secret = Secret()
    """Encrypts contents of requests that gateways share: stored responses, thinking, files.  The
    same in all of them, at least 32 characters, such as from ``openssl rand -base64 32``.  Empty:
    they share no contents.

    Processes of one home that share the Unix socket of one of them use a secret of that home
    instead.  After a reload with another secret, what was encrypted with the earlier one is lost.

    Example: ``"Yc2xJ6mUq0vH8sWb3nRk5tEz7pLd9fGa"``
    """
