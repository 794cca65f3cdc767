"""Files that requests point to: fetched a few at a time, refused in words, bounded."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from antigravity.exchange.media_fetch import MAX_FILES, PARALLEL, fetch_all
from antigravity.interfaces.transport import Fetched
from antigravity.ir.errors import InvalidRequestError, RequestTooLargeError


class Web:
    """Knows no address but those that it is told of."""

    def __init__(self) -> None:
        self.running: dict[str, Deferred[Fetched]] = {}
        self.cancelled: list[str] = []

    def fetch(self, url: str) -> Deferred[Fetched]:
        if url == "bad":
            return fail(InvalidRequestError("it must not be fetched"))
        self.running[url] = waiting = Deferred(lambda _: self.cancelled.append(url))
        return waiting


class FetchingTests(SynchronousTestCase):
    def fetch(self, web: object, urls: list[str], most: int = 0) -> Deferred[object]:
        return Deferred.fromCoroutine(fetch_all(web, urls, most))

    def test_all_of_them_a_few_at_a_time(self) -> None:
        web = Web()
        urls = [f"u{n}" for n in range(PARALLEL + 2)]
        done = self.fetch(web, urls)
        assert len(web.running) == PARALLEL
        for url in urls:
            web.running[url].callback(Fetched("image/png", url.encode()))
        found = self.successResultOf(done)
        assert found["u9"] == ("image/png", "dTk=")
        assert set(found) == set(urls)

    def test_what_must_not_be_fetched_is_said_and_ends_the_others(self) -> None:
        web = Web()
        done = self.fetch(web, ["good", "bad"])
        assert self.failureResultOf(done, InvalidRequestError).value.message.startswith("it must")
        assert web.cancelled == ["good"]

    def test_together_they_are_no_larger_than_a_body(self) -> None:
        class Full:
            def fetch(self, url: str) -> Deferred[Fetched]:
                return succeed(Fetched("image/png", b"12345"))

        assert self.successResultOf(self.fetch(Full(), ["a", "b"], 10))
        error = self.failureResultOf(self.fetch(Full(), ["a", "b", "c"], 10), RequestTooLargeError)
        assert "max_body_bytes" in error.value.message

    def test_there_is_an_end_to_their_number(self) -> None:
        web = Web()
        done = self.fetch(web, [f"u{n}" for n in range(MAX_FILES + 1)])
        self.failureResultOf(done, InvalidRequestError)
        assert not web.running
