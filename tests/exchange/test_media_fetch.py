"""Media that a request refers to: parallel, limited in number and size."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from antigravity.exchange.media_fetch import MAX_FILES, PARALLEL, fetch_all
from antigravity.interfaces.transport import FetchedFile
from antigravity.ir.errors import InvalidRequestError, RequestTooLargeError


class FakeFetcher:
    """Leaves fetches open until the test ends them, and refuses ``bad``."""

    def __init__(self) -> None:
        self.running: dict[str, Deferred[FetchedFile]] = {}
        self.cancelled: list[str] = []

    def fetch(self, url: str) -> Deferred[FetchedFile]:
        if url == "bad":
            return fail(InvalidRequestError("it must not be fetched"))
        self.running[url] = waiting = Deferred(lambda _: self.cancelled.append(url))
        return waiting


class MediaFetchTests(SynchronousTestCase):
    def fetch(self, web: object, urls: list[str], most: int = 0) -> Deferred[object]:
        return Deferred.fromCoroutine(fetch_all(web, urls, most))

    def test_media_are_fetched_a_few_at_a_time(self) -> None:
        web = FakeFetcher()
        urls = [f"u{n}" for n in range(PARALLEL + 2)]
        done = self.fetch(web, urls)
        assert len(web.running) == PARALLEL
        for url in urls:
            web.running[url].callback(FetchedFile("image/png", url.encode()))
        found = self.successResultOf(done)
        assert found["u9"] == ("image/png", "dTk=")
        assert set(found) == set(urls)

    def test_refused_address_cancels_other_fetches(self) -> None:
        web = FakeFetcher()
        done = self.fetch(web, ["good", "bad"])
        assert self.failureResultOf(done, InvalidRequestError).value.message.startswith("it must")
        assert web.cancelled == ["good"]

    def test_total_size_is_limited(self) -> None:
        class Full:
            def fetch(self, url: str) -> Deferred[FetchedFile]:
                return succeed(FetchedFile("image/png", b"12345"))

        assert self.successResultOf(self.fetch(Full(), ["a", "b"], 10))
        error = self.failureResultOf(self.fetch(Full(), ["a", "b", "c"], 10), RequestTooLargeError)
        assert "max_body_bytes" in error.value.message

    def test_number_of_files_is_limited(self) -> None:
        web = FakeFetcher()
        done = self.fetch(web, [f"u{n}" for n in range(MAX_FILES + 1)])
        self.failureResultOf(done, InvalidRequestError)
        assert not web.running
