"""A process of ``antigravity doctor`` that prints the version of the shared state, or an error.

It is called with the home directory and, if there is one, another configuration file.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.main import installReactor
from twisted.internet.selectreactor import SelectReactor

from antigravity.cli.invocation import Invocation
from antigravity.interfaces.state import SlotClaim, StateError
from antigravity.plugins import PluginHost
from antigravity.state.kinds import find_kind

#: Seconds that the state may take.
_TIMEOUT: Final = 10.0


async def ask(reactor: Any, kind: Any, url: str) -> str:
    """Return the version of the state, after a claim that needs the rights of a gateway.

    :raises StateError: if it cannot be used.
    """
    state = await maybeDeferred(kind.build, reactor, url)
    try:
        return await Deferred.fromCoroutine(_use(state)).addTimeout(_TIMEOUT, reactor)
    except (DeferredTimeout, CancelledError):
        raise StateError(f"it does not answer within {_TIMEOUT:g} s") from None
    finally:
        await maybeDeferred(state.stop)


async def _use(state: Any) -> str:
    await state.start()
    await state.claim([SlotClaim("doctor", "doctor", 1_000_000, 1.0)])
    return str(await state.server())


def main(home: str, file: str = "") -> int:
    """Print the version or an error; return the exit code."""
    reactor: Any = SelectReactor()
    installReactor(reactor)  # clients of the state may import it
    invocation = Invocation(Path(home), Path(file) if file else None)
    settings = invocation.configuration().settings
    plugins = PluginHost(settings.plugins)
    plugins.load()
    url = settings.state.url.reveal()
    kind = find_kind(url, plugins.registry.state_kinds)
    code, text = 1, "it was interrupted"

    async def whole() -> None:
        nonlocal code, text
        try:
            code, text = 0, await ask(reactor, kind, url)
        except (StateError, ValueError) as error:
            text = str(error)
        finally:
            reactor.stop()

    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(whole()))
    reactor.run()
    print(text)
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
