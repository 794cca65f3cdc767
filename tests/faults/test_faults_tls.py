"""An upstream with which TLS cannot be established: one attempt, a plain reason, no lock."""

from __future__ import annotations

from tests.faults.fixtures import NATIVE, FaultCase, check_refusal
from tests.support.certificates import certificate
from tests.support.fake_upstream import FakeUpstream, listen, ok


class TlsOfUpstreams(FaultCase):
    async def test_self_signed_upstream_fails_at_once_and_locks_no_account(self) -> None:
        script = FakeUpstream(lambda peer, got: peer.write(ok(b"{}")))
        port = listen(self, script, certificate("127.0.0.1"))
        await self.start(address=f"https://127.0.0.1:{port}")
        records = self.watched()
        for _ in range(2):
            for way in NATIVE:
                answer = await self.ask(way, "hello")
                error = check_refusal(way[0], answer, 502)
                self.assertIn("self-signed", error["message"])
        self.assertEqual({len(record.attempts) for record in records}, {1})
        self.assertEqual(script.requests, [])
