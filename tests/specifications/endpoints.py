"""The endpoints that a provider's SDK has types for, with the simplest request to each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from anthropic.types import message_count_tokens_params, message_create_params
from anthropic.types.beta import message_create_params as beta_params
from google.genai import types as genai
from openai.types import (
    completion_create_params,
    embedding_create_params,
    image_edit_params,
    image_generate_params,
)
from openai.types.audio import speech_create_params
from openai.types.chat import completion_create_params as chat_params
from openai.types.responses import (
    input_token_count_params,
    response_compact_params,
    response_create_params,
)

from tests.specifications.samples import DEPTH, Sample, samples

USER: Final = {"role": "user", "content": "Hi"}
#: The last turn of each conversation, by the member that has the turns.
TURNS: Final = {
    "messages": USER,
    "input": USER,
    "contents": {"role": "user", "parts": [{"text": "Hi"}]},
}
CONTENTS: Final = [{"role": "user", "parts": [{"text": "Hi"}]}]


#: The members of a request to Gemini; its SDK has no type for the whole.
GEMINI: Final = {
    "contents": list[genai.Content],
    "systemInstruction": genai.Content,
    "tools": list[genai.Tool],
    "toolConfig": genai.ToolConfig,
    "safetySettings": list[genai.SafetySetting],
    "generationConfig": genai.GenerationConfig,
    "cachedContent": str,
}


class Endpoint(NamedTuple):
    """An endpoint: its protocol, path and types, and a model of an upstream that has it."""

    protocol: str
    path: str
    kind: Any
    base: dict[str, Any]
    model: str
    depth: int = DEPTH

    def samples(self, *, new: bool = False, depth: int = DEPTH, most: int = 8) -> Iterator[Sample]:
        """Yield requests that differ from the simplest one in one place.

        :param most: the most samples of one member; many kinds of an item have the same ones.
        """
        depth = min(depth, self.depth)
        seen: Counter[str] = Counter()
        for sample in samples(self.kind, self.base, depth=depth, new=new):
            seen[sample.path] += 1
            is_kind = sample.path.endswith("]")
            if sample.path in ("model", "stream") or (seen[sample.path] > most and not is_kind):
                continue
            name = next((name for name in TURNS if sample.path.startswith(name)), "")
            value = sample.body.get(name)
            if isinstance(value, list):  # a turn alone is often no conversation
                sample.body[name] = [*value, TURNS[name]]
            yield sample


ENDPOINTS: Final = {
    "responses": Endpoint(
        "openai_responses",
        "/v1/responses",
        response_create_params.ResponseCreateParamsNonStreaming,
        {"input": "Hi"},
        "openai/gpt-5.5",
    ),
    "compact": Endpoint(
        "openai_responses",
        "/v1/responses/compact",
        response_compact_params.ResponseCompactParams,
        {"input": "Hi"},
        "openai/gpt-5.5",
        depth=3,
    ),
    "input tokens": Endpoint(
        "openai_responses",
        "/v1/responses/input_tokens",
        input_token_count_params.InputTokenCountParams,
        {"input": "Hi"},
        "openai/gpt-5.5",
        depth=3,
    ),
    "chat": Endpoint(
        "openai_chat",
        "/v1/chat/completions",
        chat_params.CompletionCreateParamsNonStreaming,
        {"messages": [USER]},
        "openai/gpt-5.5",
    ),
    "completions": Endpoint(
        "openai_completions",
        "/v1/completions",
        completion_create_params.CompletionCreateParamsNonStreaming,
        {"prompt": "Hi"},
        "openai/gpt-3.5-turbo-instruct",
    ),
    "embeddings": Endpoint(
        "openai_embeddings",
        "/v1/embeddings",
        embedding_create_params.EmbeddingCreateParams,
        {"input": "Hi"},
        "openai/text-embedding-3-small",
    ),
    "images": Endpoint(
        "openai_images",
        "/v1/images/generations",
        image_generate_params.ImageGenerateParamsNonStreaming,
        {"prompt": "Hi"},
        "openai/gpt-image-2",
    ),
    "image edits": Endpoint(
        "openai_image_edits",
        "/v1/images/edits",
        image_edit_params.ImageEditParamsNonStreaming,
        {"prompt": "Hi", "image": "https://example.com/a.png"},
        "openai/gpt-image-2",
    ),
    "speech": Endpoint(
        "openai_speech",
        "/v1/audio/speech",
        speech_create_params.SpeechCreateParams,
        {"input": "Hi", "voice": "alloy"},
        "openai/gpt-4o-mini-tts",
    ),
    "messages": Endpoint(
        "anthropic",
        "/v1/messages",
        message_create_params.MessageCreateParamsNonStreaming,
        {"messages": [USER], "max_tokens": 100},
        "anthropic/claude-sonnet-4-6",
    ),
    "messages, beta": Endpoint(
        "anthropic",
        "/v1/messages",
        beta_params.MessageCreateParamsNonStreaming,
        {"messages": [USER], "max_tokens": 100},
        "anthropic/claude-sonnet-4-6",
        depth=4,
    ),
    "count tokens": Endpoint(
        "anthropic",
        "/v1/messages/count_tokens",
        message_count_tokens_params.MessageCountTokensParams,
        {"messages": [USER]},
        "anthropic/claude-sonnet-4-6",
        depth=3,
    ),
    "gemini": Endpoint(
        "gemini",
        "/v1beta/models/{model...}:generateContent",
        GEMINI,
        {"contents": CONTENTS},
        "gemini/gemini-2.5-flash",
        depth=5,
    ),
    "gemini count": Endpoint(
        "gemini",
        "/v1beta/models/{model...}:countTokens",
        GEMINI,
        {"contents": CONTENTS},
        "gemini/gemini-2.5-flash",
        depth=3,
    ),
}
