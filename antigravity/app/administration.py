"""What an operator sees and changes of a running gateway."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from zope.interface import implementer

from antigravity.accounts.lookup import find_account
from antigravity.exchange.snapshot import Snapshot
from antigravity.interfaces.administration import IAdministration
from antigravity.tunnel.service import Tunnel
from antigravity.upstreams.quirks import quirk_table
from antigravity.version import VERSION
from antigravity.warming.on_demand import WarmupsOnDemand


@implementer(IAdministration)
class Administration:
    """Speaks for one gateway.

    ``snapshot`` returns what is served with now, ``running`` how many exchanges run,
    ``reload`` reads the configuration anew, ``tunnel`` returns the tunnel, ``warmups`` sends
    warm-ups, ``mcp`` returns how the MCP servers are, ``configuration`` which file is in force and
    why a newer one is not used.
    """

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        running: Callable[[], int],
        reload: Callable[[], Any],
        tunnel: Callable[[], Tunnel],
        warmups: WarmupsOnDemand,
        mcp: Callable[[], list[dict[str, object]]],
        configuration: Callable[[], dict[str, object]],
    ) -> None:
        self._snapshot = snapshot
        self._running = running
        self._reload = reload
        self._tunnel = tunnel
        self._warmups = warmups
        self._mcp = mcp
        self._configuration = configuration

    def status(self) -> dict[str, object]:
        """Return how the gateway is."""
        pool = self._snapshot().pool.status()
        return {
            "version": VERSION,
            "configuration": self._configuration(),
            "exchanges": self._running(),
            "pool": pool,
            "mcp": {"servers": self._mcp()},
        }

    def is_current(self) -> bool:
        """Return whether the newest configuration is in force."""
        return not self._configuration()["problem"]

    def explain(self, model: str, protocol: str) -> Deferred[dict[str, object]]:
        """Return a Deferred that fires with who would serve a model, and why nobody else."""
        return Deferred.fromCoroutine(self._explain(model, protocol))

    def reload(self) -> Deferred[None]:
        """Return a Deferred that fires when the configuration was read anew."""
        done: Deferred[None] = self._reload()
        return done

    def fix_account(self, credential: str | None) -> None:
        """Serve everything that it can from one account, or from all again."""
        self._snapshot().pool.fix(credential)

    def unlock_account(self, account: str, model: str) -> dict[str, object]:
        """End the locks of an account, for one model or for all."""
        snapshot = self._snapshot()
        source = snapshot.credentials
        every = [each for name in source.upstreams for each in source.credentials(name)]
        credential = find_account(every, account)
        ended = snapshot.pool.unlock(credential.id, model)
        return {"account": credential.id, "model": model or None, "unlocked": ended or 0}

    def clear_bindings(self) -> None:
        """Forget which conversation belongs to which account."""
        self._snapshot().pool.clear_bindings()

    def warm_up(self, account: str, model: str, project: str) -> Deferred[dict[str, object]]:
        """Return a Deferred that fires with what became of warm-ups."""
        return Deferred.fromCoroutine(self._warmups.warm_up(account, model, project))

    def tunnel(self) -> dict[str, object]:
        """Return how the tunnel is."""
        return self._tunnel().status()

    def start_tunnel(self, insecure: bool) -> None:
        """Start the tunnel; ``insecure`` says that everybody may come in."""
        self._tunnel().start(insecure)

    def stop_tunnel(self) -> Deferred[None]:
        """Return a Deferred that fires when the tunnel is gone."""
        return self._tunnel().stop()

    async def _explain(self, model: str, protocol: str) -> dict[str, object]:
        snapshot = self._snapshot()
        embeds = protocol in snapshot.embeddings.protocols
        router = snapshot.embeddings if embeds else snapshot.router
        decision = await router.route(model, protocol)
        verdicts = snapshot.pool.explain(decision.lease_request())
        served_as = {c.upstream.name: c.target.model for c in decision.candidates}
        quirks = {c.upstream.name: sorted(c.upstream.quirks) for c in decision.candidates}
        known = quirk_table()
        return {
            "model": model,
            "mapped_model": decision.model,
            "steps": [msgspec.to_builtins(hop) for hop in decision.hops],
            "upstreams": [
                {
                    "upstream": j.upstream,
                    "chosen": j.chosen,
                    "place": j.place,
                    "model": served_as.get(j.upstream),
                    "reason": j.reason,
                    "quirks": {name: known.describe(name) for name in quirks.get(j.upstream, ())},
                }
                for j in decision.judgements
            ],
            "accounts": [
                {
                    "account": verdict.credential,
                    "upstream": verdict.option.upstream,
                    "model": verdict.option.model,
                    "state": verdict.state,
                    "reason": verdict.reason,
                    "free_in": verdict.free_in,
                }
                for verdict in verdicts
            ],
        }
