"""Vectors over sockets: every client over every upstream, in batches, and when things go wrong."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

from treq.client import HTTPClient
from twisted.internet.task import deferLater
from twisted.web.client import Agent, HTTPConnectionPool

from antigravity.app.observers import Observers
from antigravity.config.secret import Secret
from antigravity.exchange.operations import embeddings
from antigravity.ir.record import ExchangeRecord
from antigravity.simulator.embeddings import EmbeddingInput, vector
from tests.faults.fixtures import ClientConnection, FaultCase, HttpResponse, check_refusal, reactor
from tests.support.conditions import eventually

#: An upstream of each kind, and its models; the newer one of Gemini's tells what it costs.
OPENAI = "openai_chat-to-openai_chat/text-embedding-3-small"
GEMINI = "gemini-to-gemini/gemini-embedding-2"
OLDER = "gemini-to-gemini/gemini-embedding-001"
CLIENTS = ("openai", "gemini")
FAILURES = [(client, model) for client in CLIENTS for model in (OPENAI, GEMINI)]
SIZE = 5


def path_and_body(client: str, model: str, texts: list[str]) -> tuple[str, Any]:
    """Return the path and the body of a request for short vectors."""
    if client == "openai":
        return "/v1/embeddings", {"model": model, "input": texts, "dimensions": SIZE}
    requests = [
        {
            "model": f"models/{model}",
            "content": {"parts": [{"text": text}]},
            "outputDimensionality": SIZE,
        }
        for text in texts
    ]
    return f"/v1beta/models/{model}:batchEmbedContents", {"requests": requests}


def vectors_in(client: str, answer: HttpResponse) -> list[list[float]]:
    assert answer.status == 200, answer.body
    if client == "gemini":
        return [each["values"] for each in answer.json()["embeddings"]]
    return [each["embedding"] for each in answer.json()["data"]]


def expected(texts: list[str]) -> list[list[float]]:
    return [vector(EmbeddingInput(text, SIZE)) for text in texts]


class Embeddings(FaultCase):
    def setUp(self) -> None:
        super().setUp()
        self.records: list[ExchangeRecord] = []
        finished = Observers.exchange_finished

        def exchange_finished(observers: Observers, record: ExchangeRecord) -> None:
            self.records.append(record)
            finished(observers, record)

        self.patch(Observers, "exchange_finished", exchange_finished)

    async def begin_embedding(self, client: str, model: str, *texts: str) -> ClientConnection:
        return await self.send(*path_and_body(client, model, list(texts)))

    async def embed(self, client: str, model: str, *texts: str) -> HttpResponse:
        reading = await self.begin_embedding(client, model, *texts)
        await reading.closed
        return HttpResponse(reading.data)

    async def post(self, path: str, body: Any) -> HttpResponse:
        reading = await self.send(path, body)
        await reading.closed
        return HttpResponse(reading.data)

    def asked(self) -> list[Any]:
        """Return the bodies of what the upstreams were asked for, but for lists of models."""
        return [each.body for each in self.simulator.log if each.method == "POST"]

    # -- every client over every upstream --

    async def test_embeddings_are_equal_for_all_clients_and_upstreams(self) -> None:
        await self.start()
        texts = ["one", "two", "drei und vier"]
        for client, model in FAILURES:
            answer = await self.embed(client, model, *texts)
            assert vectors_in(client, answer) == expected(texts), (client, model)
            assert answer.headers["x-mapped-model"] == model.partition("/")[2]
            record = self.records[-1]
            assert (record.operation, record.outcome, record.status) == ("embed", "ok", 200)
            assert record.usage is not None
            assert record.usage.input_total == 6
            (attempt,) = record.attempts
            assert attempt.passed_through is (client in attempt.upstream)
            assert (attempt.status, attempt.error) == (200, None)

    async def test_embeddings_of_equal_protocols_pass_unchanged(self) -> None:
        await self.start()
        for client, model, prefix in (("openai", OPENAI, ""), ("gemini", GEMINI, "models/")):
            self.simulator.log.clear()
            path, body = path_and_body(client, model, ["a", "b"])
            if client == "openai":
                body |= {"encoding_format": "base64", "user": "u"}
            answer = await self.post(path, body)
            bare = model.partition("/")[2]
            sent = json.dumps(body).replace(prefix + model, prefix + bare)
            (logged,) = self.asked()
            assert logged == json.loads(sent)
            direct = await self.direct(path.replace(model, bare), sent.encode())
            assert answer.body == direct

    async def direct(self, path: str, body: bytes) -> bytes:
        """Return what the upstream itself answers."""
        pool = HTTPConnectionPool(reactor, persistent=False)
        key = {"authorization": "Bearer sk-good", "x-goog-api-key": "sk-good"}
        client = HTTPClient(Agent(reactor, pool=pool))
        response = await client.post(f"{self.address}{path}", data=body, headers=key)
        found: bytes = await response.content()
        await pool.closeCachedConnections()
        return found

    async def test_single_input_uses_single_endpoint(self) -> None:
        await self.start()
        path = f"/v1/models/{OPENAI}:embedContent"
        answer = await self.post(path, {"content": "x", "outputDimensionality": SIZE})
        assert answer.json()["embedding"]["values"] == expected(["x"])[0]
        answer = await self.embed("openai", GEMINI, "x")
        assert vectors_in("openai", answer) == expected(["x"])
        assert self.simulator.log[-1].path == "/v1beta/models/gemini-embedding-2:embedContent"

    async def test_gemini_vectors_are_encoded_as_base64_on_request(self) -> None:
        await self.start()
        body = {"model": GEMINI, "input": "x", "dimensions": SIZE, "encoding_format": "base64"}
        answer = await self.post("/v1/embeddings", body)
        data = base64.b64decode(answer.json()["data"][0]["embedding"])
        assert list(struct.unpack(f"<{SIZE}f", data)) == expected(["x"])[0]

    async def test_uncounted_usage_is_estimated_and_marked(self) -> None:
        await self.start()
        text = "all work and no play " * 4
        for model, source, tokens in ((GEMINI, "upstream", 42), (OLDER, "estimate", 42)):
            answer = await self.embed("openai", model, text, text)
            assert answer.headers["x-token-count-source"] == source
            assert answer.json()["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}

    async def test_settings_of_inputs_are_separate(self) -> None:
        await self.start()
        sizes = [3, 4, None, 3, 4]
        requests = [
            {"content": f"t{n}"} | ({} if size is None else {"outputDimensionality": size})
            for n, size in enumerate(sizes)
        ]
        answer = await self.post(
            f"/v1beta/models/{OPENAI}:batchEmbedContents", {"requests": requests}
        )
        found = vectors_in("gemini", answer)
        assert [len(each) for each in found] == [3, 4, 1536, 3, 4]
        assert found[3] == vector(EmbeddingInput("t3", 3))
        assert sorted(body.get("dimensions", 0) for body in self.asked()) == [0, 3, 4]

    # -- batches --

    async def test_large_batches_are_split_and_joined_in_order(self) -> None:
        await self.start()
        texts = [f"text {n}" for n in range(230)]
        for client in CLIENTS:
            self.simulator.log.clear()
            answer = await self.embed(client, GEMINI, *texts)
            assert vectors_in(client, answer) == expected(texts)
            assert sorted(len(body["requests"]) for body in self.asked()) == [30, 100, 100]
            assert self.records[-1].usage is not None
            assert self.records[-1].usage.input_total == sum(-(-len(t) // 4) for t in texts)
            assert len(self.records[-1].attempts) == 1

    async def test_concurrent_batches_are_limited(self) -> None:
        await self.start()
        most = 0
        # The first text of each batch makes the model wait.
        texts = ["[[ttft 0.2]]" if n % 100 == 0 else "x" for n in range(900)]
        reading = await self.begin_embedding("openai", GEMINI, *texts)
        while not reading.closed.called:
            most = max(most, self.simulator.stats.open_streams)
            await deferLater(reactor, 0.005)
        assert len(vectors_in("openai", HttpResponse(reading.data))) == 900
        assert most == embeddings.PARALLEL

    async def test_retry_keeps_finished_batches(self) -> None:
        await self.start()
        texts = [f"text {n}" for n in range(230)]
        texts[150] = "[[error 500 times=1]]"
        answer = await self.embed("openai", GEMINI, *texts)
        assert len(vectors_in("openai", answer)) == 230
        firsts = [body["requests"][0]["content"]["parts"][0]["text"] for body in self.asked()]
        assert firsts.count("text 100") == 2
        assert set(firsts) == {"text 0", "text 100", "text 200"}
        assert len(self.records[-1].attempts) == 2

    async def test_first_failure_cancels_other_batches(self) -> None:
        await self.start()
        texts = ["[[ttft 30]]" if n % 100 == 0 else "x" for n in range(300)]
        texts[100] = "[[error 400 message=No!]]"
        answer = await self.embed("openai", GEMINI, *texts)
        assert check_refusal("openai_chat", answer, 400)["message"] == "No!"
        await eventually(lambda: self.simulator.stats.open_streams == 0)
        assert self.simulator.stats.finished_streams == 0
        assert len(self.records[-1].attempts) == 1

    # -- clients that leave, upstreams that fail --

    async def test_disconnect_cancels_every_batch(self) -> None:
        await self.start()
        stats = self.simulator.stats
        slow = ["[[ttft 30]]" if n % 100 == 0 else "x" for n in range(300)]
        for client, model, texts, count in (
            ("openai", OPENAI, slow[:1], 1),
            ("openai", GEMINI, slow, 3),
            ("gemini", OPENAI, slow[:1], 1),
        ):
            before = stats.cancelled_streams
            reading = await self.begin_embedding(client, model, *texts)
            await eventually(lambda c=count: stats.open_streams == c)
            reading.transport.abortConnection()  # type: ignore[union-attr]
            await eventually(lambda: stats.open_streams == 0)
            assert stats.cancelled_streams - before == count
            await eventually(lambda: self.records and self.records[-1].duration is not None)
            assert self.records[-1].outcome == "cancelled"

    async def test_transient_failures_are_retried(self) -> None:
        await self.start()
        for client, model in FAILURES:
            for fault in ("error 500", "error 503", "empty", "cut 0", "garbage 0"):
                text = f"[[{fault} times=1]] {client} {model}"
                answer = await self.embed(client, model, text)
                assert vectors_in(client, answer) == expected([text]), (client, model, fault)
                assert len(self.records[-1].attempts) == 2
                assert self.records[-1].attempts[0].error

    async def test_permanent_failures_have_client_error_shape(self) -> None:
        for client, model in FAILURES:
            await self.start()
            shape = "gemini" if client == "gemini" else "openai_chat"
            native = client in model.partition("/")[0]
            refused = await self.embed(client, model, "[[error 400 message=That is too much.]]")
            assert check_refusal(shape, refused, 400)["message"] == "That is too much."
            truncate_script = await self.embed(client, model, "[[error 429 retry=40s]]")
            check_refusal(shape, truncate_script, 429)
            assert 38 <= int(truncate_script.headers["retry-after"]) <= 40
            await self.start()
            broken = await self.embed(client, model, "[[error 500 message=Oh]]")
            check_refusal(shape, broken, 500 if native else 502)
            assert len(self.records[-1].attempts) == 3

    async def test_rejected_accounts_are_replaced(self) -> None:
        keys = [Secret(key) for key in ("bad-1", "forbidden-2", "exhausted-3", "good")]
        await self.start(upstream={"api_key": Secret(), "api_keys": keys})
        for client, model in FAILURES:
            answer = await self.embed(client, model, "x")
            assert vectors_in(client, answer) == expected(["x"])
        await self.start(upstream={"api_key": Secret("bad-1")})
        for client, model in FAILURES:
            shape = "gemini" if client == "gemini" else "openai_chat"
            check_refusal(shape, await self.embed(client, model, "x"), 503)

    # -- who can, and who cannot --

    async def test_token_ids_are_rejected_for_gemini(self) -> None:
        await self.start()
        for ids in ([1, 2], [[1, 2], [3]]):
            answer = await self.post("/v1/embeddings", {"model": GEMINI, "input": ids})
            error = check_refusal("openai_chat", answer, 400)
            assert error["param"] == ("input" if ids == [1, 2] else "input[0]")
            assert "token ids" in error["message"]
            answer = await self.post("/v1/embeddings", {"model": OPENAI, "input": ids})
            assert answer.status == 200

    async def test_chat_models_are_not_used_for_embeddings(self) -> None:
        await self.start(custom_mapping={"*": "gpt-4.1", "mine": "gemini-embedding-001"})
        self.simulator.log.clear()
        for model in ("gpt-4.1", "gemini-2.5-flash", "openai_chat-to-openai_chat/gpt-4.1"):
            answer = await self.embed("openai", model, "x")
            message = check_refusal("openai_chat", answer, 400)["message"]
            assert "is not an embedding model" in message
            assert "text-embedding-3-small" in message
            assert "gemini-embedding-001" in message
        assert self.asked() == []
        for asked, served in (
            ("text-embedding-3-large", "text-embedding-3-large"),
            ("mine", "gemini-embedding-001"),
        ):
            answer = await self.embed("openai", asked, "x")
            assert answer.headers["x-mapped-model"] == served

    async def test_upstream_without_embeddings_names_alternatives(self) -> None:
        await self.start()
        model = "openai_chat-to-anthropic/text-embedding-3-small"
        for client, shape in (("openai", "openai_chat"), ("gemini", "gemini")):
            answer = await self.embed(client, model, "x")
            message = check_refusal(shape, answer, 404)["message"]
            assert "'openai_chat-to-anthropic' does not create embeddings" in message
            assert "openai or gemini_api" in message

    async def test_invalid_bodies_are_rejected_in_client_shape(self) -> None:
        await self.start()
        for path, shape in (
            ("/v1/embeddings", "openai_chat"),
            (f"/v1beta/models/{OPENAI}:embedContent", "gemini"),
            (f"/v1/models/{OPENAI}:batchEmbedContents", "gemini"),
        ):
            for body in (b"", b"[]", b"nonsense", b"{}"):
                check_refusal(shape, await self.post(path, body), 400)

    async def test_model_lists_mark_embedding_models(self) -> None:
        await self.start()
        listed = await self.get("/v1beta/models", "x-goog-api-key: any")
        methods = {m["name"]: m["supportedGenerationMethods"] for m in listed["models"]}
        for name in ("gemini-embedding-001", "gemini-embedding-2", "text-embedding-3-small"):
            assert methods[f"models/{name}"] == ["embedContent"]
        assert "generateContent" in methods["models/gemini-2.5-flash"]
        openai = {model["id"] for model in (await self.get("/v1/models"))["data"]}
        assert {"text-embedding-3-small", "gemini-embedding-2"} <= openai
        anthropic = await self.get("/v1/models?limit=1000", "anthropic-version: 2023-06-01")
        assert not [model for model in anthropic["data"] if "embedding" in model["id"]]

    async def get(self, path: str, *headers: str) -> Any:
        reading = await self.connect()
        lines = [f"GET {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers]
        reading.transport.write("\r\n".join([*lines, "", ""]).encode())  # type: ignore[union-attr]
        await reading.closed
        return HttpResponse(reading.data).json()

    async def test_split_batches_keep_native_fields(self) -> None:
        await self.start()
        texts = [f"text {n}" for n in range(130)]
        path, body = path_and_body("gemini", GEMINI, texts)
        body["requests"][120]["embedContentConfig"] = {"autoTruncate": True}
        assert vectors_in("gemini", await self.post(path, body)) == expected(texts)
        told = [r for each in self.asked() for r in each["requests"] if "embedContentConfig" in r]
        assert [each["content"]["parts"][0]["text"] for each in told] == ["text 120"]
        assert self.records[-1].warnings == ()
        path, body = path_and_body("gemini", OPENAI, texts[:2])
        body["requests"][1]["embedContentConfig"] = {"autoTruncate": True}
        assert vectors_in("gemini", await self.post(path, body)) == expected(texts[:2])
        assert [loss.field for loss in self.records[-1].warnings] == ["embedContentConfig"]

    async def test_explain_names_upstream_of_embedding_model(self) -> None:
        await self.start()
        asked = {"openai_embeddings": "text-embedding-3-small", "gemini_embeddings": OLDER}
        for protocol, model in asked.items():
            found = (await self.post("/v1/models/detect", {"model": model})).json()
            assert (found["protocol"], found["features"]["embedding"]) == (protocol, True)
            assert found["mapped_model"] == model.rpartition("/")[2]
        assert self.gateway is not None
        explained = await self.gateway.parts.administration().explain(OLDER, "openai_embeddings")
        assert explained.mapped_model == "gemini-embedding-001"
        (upstream,) = (each for each in explained.upstreams if each.chosen)
        assert upstream.upstream == "gemini-to-gemini"
