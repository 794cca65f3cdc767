"""The fetcher reaches the public Internet and allowed hosts only."""

from __future__ import annotations

import gzip
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from antigravity.config.settings import MediaSettings
from antigravity.interfaces.transport import IMediaFetcher
from antigravity.ir.errors import InvalidRequestError
from antigravity.transport.media import MediaFetcher
from tests.support.certificates import certificate, trusting
from tests.support.fake_upstream import (
    FakeUpstream,
    Peer,
    Received,
    chunk,
    listen,
    ok,
    pause,
    reactor,
)

PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 100


class Resolver:
    """Answers from a table, and takes note of what was asked."""

    def __init__(self, names: dict[str, list[list[str]]]) -> None:
        self.names = names
        self.asked: list[str] = []

    def resolveHostName(self, receiver: Any, name: str, port: int = 0, *more: Any) -> None:
        self.asked.append(name)
        receiver.resolutionBegan(None)
        answers = self.names.get(name, [[name] if name[0].isdigit() else []])
        for host in answers.pop(0) if len(answers) > 1 else answers[0]:
            kind = IPv6Address if ":" in host else IPv4Address
            receiver.addressResolved(kind("TCP", host, port))
        receiver.resolutionComplete()


class Reactor:
    """The reactor, with names of our own; every connection ends at the test's server."""

    def __init__(self, names: dict[str, list[list[str]]]) -> None:
        self.nameResolver = Resolver(names)
        self.connected: list[tuple[str, int]] = []
        self.port = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(reactor, name)

    def connectTCP(self, host: str, port: int, *more: Any, **options: Any) -> Any:
        self.connected.append((host, port))
        return reactor.connectTCP("127.0.0.1", self.port, *more, **options)


class FetcherCase(TestCase):
    timeout = 120

    def fetcher(
        self, names: dict[str, list[list[str]]] | None = None, policy: Any = None, **settings: Any
    ) -> MediaFetcher:
        self.reactor = Reactor(names or {"pub.test": [["93.184.216.34"]]})
        self.reactor.port = getattr(self, "port", 0)
        fetcher = MediaFetcher(MediaSettings(**settings), self.reactor, policy=policy)
        self.addCleanup(lambda: fetcher.close())
        return fetcher

    def serve(self, answer: Any, context: Any = None) -> FakeUpstream:
        script = FakeUpstream(answer)
        self.port = listen(self, script, context)
        return script

    async def refused(self, fetching: Any) -> str:
        try:
            await fetching
        except InvalidRequestError as error:
            self.assertNotIn("secret", error.message)
            return error.message
        raise AssertionError("it was fetched")


class FetchTests(FetcherCase):
    async def test_file_is_fetched(self) -> None:
        script = self.serve(lambda peer, got: peer.write(ok(PNG, "Content-Type: image/x-PNG; a=b")))
        fetcher = self.fetcher()
        verifyObject(IMediaFetcher, fetcher)
        fetched = await fetcher.fetch("http://pub.test/a?sig=1")
        self.assertEqual((fetched.mime_type, fetched.data), ("image/x-png", PNG))
        self.assertEqual(script.requests[0].first, "GET /a?sig=1 HTTP/1.1")
        self.assertEqual(script.requests[0].headers["host"], "pub.test")
        self.assertEqual(self.reactor.connected, [("93.184.216.34", 80)])

    async def test_missing_type_is_sniffed(self) -> None:
        self.serve(lambda peer, got: peer.write(ok(PNG)))
        self.assertEqual((await self.fetcher().fetch("http://pub.test/")).mime_type, "image/png")

    async def test_certificate_is_checked_for_the_host_name(self) -> None:
        signed = certificate("pub.test")
        self.serve(lambda peer, got: peer.write(ok(PNG)), signed)
        fetcher = self.fetcher(policy=trusting(signed))
        await fetcher.fetch("https://pub.test/")
        self.assertEqual(self.reactor.connected, [("93.184.216.34", 443)])
        other = self.fetcher({"other.test": [["93.184.216.34"]]}, policy=trusting(signed))
        self.assertIn("another name", await self.refused(other.fetch("https://other.test/")))

    async def test_redirects_are_followed(self) -> None:
        def answer(peer: Peer, got: Received) -> None:
            number = int(got.first.split("/")[1].split(" ")[0])
            if number:
                peer.write(ok(b"", f"Location: /{number - 1}", status="302 Found"))
            else:
                peer.write(ok(PNG))

        self.serve(answer)
        fetched = await self.fetcher().fetch("http://pub.test/3")
        self.assertEqual(fetched.data, PNG)
        message = await self.refused(self.fetcher().fetch("http://pub.test/4"))
        self.assertIn("more than 3 times", message)

    async def test_endless_head_fails(self) -> None:
        def answer(peer: Peer, got: Received) -> None:
            peer.write(b"HTTP/1.1 200 OK\r\n")
            peer.write(b"X: y\r\n" * 300_000)

        script = self.serve(answer)
        message = await self.refused(self.fetcher(max_bytes=1000).fetch("http://pub.test/"))
        self.assertIn("could not fetch http://pub.test/", message)
        await script.peers[0].lost

    async def test_cancelling_closes_the_connection(self) -> None:
        script = self.serve(lambda peer, got: None)
        fetching = self.fetcher().fetch("http://pub.test/")
        while not script.requests:
            await pause(0.01)
        fetching.cancel()
        with self.assertRaises(CancelledError):
            await fetching
        await script.peers[0].lost


class AddressGuardTests(FetcherCase):
    async def test_addresses_that_are_not_public_are_refused(self) -> None:
        for address in ("127.0.0.1", "10.1.2.3", "169.254.169.254", "::ffff:10.0.0.1", "fe80::1"):
            fetcher = self.fetcher({"evil.test": [[address]]})
            message = await self.refused(fetcher.fetch("http://evil.test/?secret"))
            self.assertIn("not on the public Internet", message)
            self.assertIn("media.allowed_hosts", message)
            self.assertEqual(self.reactor.connected, [])

    async def test_host_with_one_private_address_is_refused(self) -> None:
        fetcher = self.fetcher({"evil.test": [["93.184.216.34", "127.0.0.1"]]})
        await self.refused(fetcher.fetch("http://evil.test/"))
        self.assertEqual(self.reactor.connected, [])

    async def test_literal_private_addresses_are_refused_in_every_form(self) -> None:
        names = {"2130706433": [["127.0.0.1"]], "0x7f.1": [["127.0.0.1"]], "127.1": [["127.0.0.1"]]}
        fetcher = self.fetcher(names)
        for host in ("127.0.0.1", "2130706433", "0x7f.1", "127.1"):
            await self.refused(fetcher.fetch(f"http://{host}/"))
        self.assertEqual(self.reactor.connected, [])

    async def test_name_is_resolved_once(self) -> None:
        self.serve(lambda peer, got: peer.write(ok(PNG)))
        fetcher = self.fetcher({"evil.test": [["93.184.216.34"], ["127.0.0.1"]]})
        await fetcher.fetch("http://evil.test/")
        self.assertEqual(self.reactor.nameResolver.asked, ["evil.test"])
        self.assertEqual(self.reactor.connected, [("93.184.216.34", 80)])
        await self.refused(fetcher.fetch("http://evil.test/"))

    async def test_redirect_targets_are_checked(self) -> None:
        for location in (
            "http://evil.test/",
            "http://pub.test:8080/",
            "file:///etc/passwd",
            "http://u:secret@pub.test/",
        ):
            script = self.serve(
                lambda peer, got, to=location: peer.write(
                    ok(b"", f"Location: {to}", status="302 Found")
                )
            )
            names = {"pub.test": [["93.184.216.34"]], "evil.test": [["10.0.0.1"]]}
            await self.refused(self.fetcher(names).fetch("http://pub.test/"))
            self.assertEqual(len(script.requests), 1)

    async def test_other_ports_are_refused(self) -> None:
        message = await self.refused(self.fetcher().fetch("http://pub.test:8080/"))
        self.assertIn("pub.test:8080", message)

    async def test_name_that_does_not_resolve_fails(self) -> None:
        message = await self.refused(self.fetcher().fetch("http://nowhere.test/"))
        self.assertIn("does not resolve", message)

    async def test_allowed_hosts_may_be_private(self) -> None:
        self.serve(lambda peer, got: peer.write(ok(PNG)))
        names = {"intra.test": [["10.0.0.1"]]}
        fetcher = self.fetcher(names, allowed_hosts=["Intra.test"])
        await fetcher.fetch("http://intra.test/")
        await self.refused(fetcher.fetch("http://intra.test:8080/"))
        fetcher = self.fetcher(names, allowed_hosts=["intra.test:8080"])
        await fetcher.fetch("http://intra.test:8080/")
        await self.refused(fetcher.fetch("http://intra.test/"))

    async def test_fetching_can_be_disabled(self) -> None:
        message = await self.refused(self.fetcher(fetch=False).fetch("http://pub.test/"))
        self.assertIn("media.fetch", message)


class Bounds(FetcherCase):
    async def test_too_large_file_fails(self) -> None:
        def endless(peer: Peer, got: Received) -> None:
            peer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            peer.write(chunk(b"x" * 1000) * 100)

        for answer in (endless, lambda peer, got: peer.write(ok(b"x" * 5000))):
            script = self.serve(answer)
            fetcher = self.fetcher(max_bytes=4096)
            message = await self.refused(fetcher.fetch("http://pub.test/a?secret"))
            self.assertIn("http://pub.test/a is larger than 4096 bytes (media.max_bytes)", message)
            await script.peers[0].lost

    async def test_slow_server_reaches_the_timeout(self) -> None:
        def trickle(peer: Peer, got: Received) -> None:
            peer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")

            def more() -> None:
                if not peer.gone:
                    peer.write(chunk(b"."))
                    reactor.callLater(0.05, more)

            more()

        for answer in (trickle, lambda peer, got: None):
            script = self.serve(answer)
            fetcher = self.fetcher(timeout=0.3)
            message = await self.refused(fetcher.fetch("http://pub.test/?secret"))
            self.assertIn("within 0.3 s (media.timeout)", message)
            await script.peers[0].lost
            await pause(0.1)  # for the server's own timer

    async def test_timeout_holds_for_all_redirects_together(self) -> None:
        def again(peer: Peer, got: Received) -> None:
            reactor.callLater(0.2, peer.write, ok(b"", "Location: /", status="302 Found"))

        self.serve(again)
        message = await self.refused(self.fetcher(timeout=0.3).fetch("http://pub.test/"))
        self.assertIn("media.timeout", message)
        await pause(0.2)  # for the server's own timer

    async def test_timeout_holds_while_a_name_is_resolved(self) -> None:
        fetcher = self.fetcher(timeout=0.1)
        self.reactor.nameResolver.resolveHostName = lambda *more: None  # type: ignore[method-assign]
        self.assertIn("media.timeout", await self.refused(fetcher.fetch("http://pub.test/")))

    async def test_redirects_to_private_addresses_and_loops_are_refused(self) -> None:
        signed = certificate("pub.test")
        for location in ("http://evil.test/", "//evil.test/", "https://evil.test/", "/again"):
            script = self.serve(
                lambda peer, got, to=location: peer.write(
                    ok(b"", f"Location: {to}", status="307 Temporary Redirect")
                ),
                signed,
            )
            names = {"pub.test": [["93.184.216.34"]], "evil.test": [["192.168.0.1"]]}
            fetcher = self.fetcher(names, policy=trusting(signed))
            await self.refused(fetcher.fetch("https://pub.test/"))
            self.assertEqual({host for host, _ in self.reactor.connected}, {"93.184.216.34"})
            self.assertLessEqual(len(script.requests), 4)

    async def test_limit_holds_for_the_decompressed_file(self) -> None:
        bomb = gzip.compress(b"\0" * 30_000_000)
        self.serve(lambda peer, got: peer.write(ok(bomb, "Content-Encoding: gzip")))
        message = await self.refused(self.fetcher(max_bytes=1_000_000).fetch("http://pub.test/"))
        self.assertIn("larger than 1000000 bytes", message)
        small = gzip.compress(PNG)
        self.serve(lambda peer, got: peer.write(ok(small, "Content-Encoding: gzip")))
        self.assertEqual((await self.fetcher().fetch("http://pub.test/")).data, PNG)

    async def test_type_of_a_page_is_sniffed(self) -> None:
        html = "Content-Type: text/html; charset=utf-8"
        self.serve(lambda peer, got: peer.write(ok(PNG, html)))
        self.assertEqual((await self.fetcher().fetch("http://pub.test/")).mime_type, "image/png")
        self.serve(lambda peer, got: peer.write(ok(b"<html>log in", html)))
        self.assertEqual((await self.fetcher().fetch("http://pub.test/")).mime_type, "text/html")

    async def test_empty_file_fails(self) -> None:
        self.serve(lambda peer, got: peer.write(ok(b"", "Content-Type: image/png")))
        self.assertIn("is empty", await self.refused(self.fetcher().fetch("http://pub.test/")))

    async def test_error_status_fails(self) -> None:
        self.serve(lambda peer, got: peer.write(ok(b"", status="404 Not Found")))
        message = await self.refused(self.fetcher().fetch("http://pub.test/?secret"))
        self.assertEqual(message, "http://pub.test/ responded with status 404")
        self.serve(lambda peer, got: peer.close())
        await self.refused(self.fetcher().fetch("http://pub.test/?secret"))
