"""A service that gives tokens, projects and models, in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.trial.unittest import SynchronousTestCase

from antigravity.config.secret import Secret
from antigravity.config.settings import OAuthSettings
from antigravity.upstreams.codeassist.kind import CodeAssistKind
from tests.upstreams.fakes import UpstreamFixture, credential

BODY = (
    b'{"contents":[{"role":"user","parts":[{"text":"\xc3\xa9 \\u00e9"}]}],"model":"m",'
    b'"tools":[ ],"labels":{"a":1.0},"systemInstruction":{"parts":[]},"safetySettings":[]}'
)
TOKEN_URL = "https://oauth.test/token"
HOSTS = ("daily-cloudcode-pa.sandbox", "daily-cloudcode-pa", "cloudcode-pa")


class Service(UpstreamFixture):
    """A service that gives tokens, projects and models; ``answers`` overrides a method."""

    def __init__(self, **answers: Callable[[Any], Any]) -> None:
        super().__init__(self.reply)
        self.answers = answers
        self.tokens = 0
        self.waiting: list[Deferred[Any]] | None = None

    def reply(self, request: Any) -> Any:
        if request.url == TOKEN_URL:
            if self.waiting is not None:
                self.waiting.append(waiter := Deferred())
                return waiter
            return self.token(request)
        method = request.url.partition("v1internal:")[2].partition("?")[0]
        answer = self.answers.get(method, self.default)
        return answer(request)

    def token(self, request: Any) -> Any:
        if "token" in self.answers:
            return self.answers["token"](request)
        self.tokens += 1
        return (200, {"access_token": f"at-{self.tokens}", "expires_in": 3599})

    def default(self, request: Any) -> Any:
        if "loadCodeAssist" in request.url:
            return (200, {"cloudaicompanionProject": "found"})
        return (500, b"")

    def calls(self, method: str) -> list[Any]:
        return [request for request in self.transport.requests if method in request.url]

    def upstream(self, **settings: Any) -> Any:
        oauth = OAuthSettings("id", Secret("client-secret"), TOKEN_URL)
        return self.build(CodeAssistKind(), **({"oauth": oauth} | settings))


class Case(SynchronousTestCase):
    def prepare(self, upstream: Any, operation: str = "stream", **options: Any) -> Deferred[Any]:
        return maybeDeferred(
            upstream.prepare,
            operation,
            options.get("protocol", "gemini"),
            options.get("model", "gemini-3-pro"),
            options.get("body", BODY),
            options.get("credential", credential("rt-1", label="me@mail.test")),
            {"user-agent": "somebody"},
        )

    def prepared(self, upstream: Any, operation: str = "stream", **options: Any) -> Any:
        return self.successResultOf(self.prepare(upstream, operation, **options))
