"""OpenAI: chat completions, legacy completions, responses, and compatible upstreams."""

from __future__ import annotations

from collections.abc import Callable

from antigravity.hookspecs import hookimpl
from antigravity.protocols.openai_chat.protocol import OpenAIChatClient, OpenAIChatServer
from antigravity.protocols.openai_completions.protocol import OpenAICompletionsServer
from antigravity.protocols.openai_embeddings.protocol import (
    OpenAIEmbeddingClient,
    OpenAIEmbeddingServer,
)
from antigravity.protocols.openai_images.protocol import (
    OpenAIImageEditsServer,
    OpenAIImagesServer,
)
from antigravity.protocols.openai_passing import PassedAsWritten, PassedClient
from antigravity.protocols.openai_responses.protocol import (
    OpenAIResponsesClient,
    OpenAIResponsesServer,
)
from antigravity.protocols.openai_speech.protocol import OpenAISpeechServer
from antigravity.protocols.openai_transcriptions.protocol import (
    OpenAITranscriptionsServer,
    OpenAITranslationsServer,
)
from antigravity.upstreams.openai import (
    COMPLETIONS,
    IMAGE_EDITS,
    IMAGES,
    SPEECH,
    TRANSCRIPTIONS,
    TRANSLATIONS,
    OpenAIKind,
)


@hookimpl
def register_protocols(register: Callable[[object], None]) -> None:
    """Register both sides of each; what is not translated to is passed on."""
    register(OpenAIImagesServer())
    register(OpenAIImageEditsServer())
    register(OpenAITranscriptionsServer())
    register(OpenAITranslationsServer())
    register(OpenAISpeechServer())
    chat = OpenAIChatClient()
    for protocol in (
        OpenAIChatServer(),
        chat,
        OpenAICompletionsServer(),
        OpenAIResponsesServer(),
        OpenAIResponsesClient(),
    ):
        register(protocol)
    for name in (IMAGES, IMAGE_EDITS, SPEECH, TRANSCRIPTIONS, TRANSLATIONS):
        register(PassedClient(name, chat))
    register(PassedAsWritten(COMPLETIONS, chat))
    register(OpenAIEmbeddingServer())
    register(OpenAIEmbeddingClient())


@hookimpl
def register_upstreams(register: Callable[[object], None]) -> None:
    """Register upstreams with an OpenAI-compatible base URL."""
    register(OpenAIKind())
