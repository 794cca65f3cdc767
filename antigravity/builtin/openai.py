"""OpenAI: chat completions, legacy completions, responses, and compatible upstreams."""

from __future__ import annotations

from collections.abc import Callable

from antigravity.hookspecs import hookimpl
from antigravity.protocols.openai_chat.protocol import OPENAI_CHAT_CLIENT, OPENAI_CHAT_SERVER
from antigravity.protocols.openai_completions.protocol import OPENAI_COMPLETIONS_SERVER
from antigravity.protocols.openai_embeddings.protocol import (
    OPENAI_EMBEDDINGS_CLIENT,
    OPENAI_EMBEDDINGS_SERVER,
)
from antigravity.protocols.openai_images.protocol import (
    OPENAI_IMAGE_EDITS_SERVER,
    OPENAI_IMAGES_SERVER,
)
from antigravity.protocols.openai_native_only import native_only_client
from antigravity.protocols.openai_responses.protocol import (
    OPENAI_RESPONSES_CLIENT,
    OPENAI_RESPONSES_SERVER,
)
from antigravity.protocols.openai_speech.protocol import OPENAI_SPEECH_SERVER
from antigravity.protocols.openai_transcriptions.protocol import (
    OPENAI_TRANSCRIPTIONS_SERVER,
    OPENAI_TRANSLATIONS_SERVER,
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
    """Register both sides of each protocol; some have a client for native pass-through only."""
    for protocol in (
        OPENAI_IMAGES_SERVER,
        OPENAI_IMAGE_EDITS_SERVER,
        OPENAI_TRANSCRIPTIONS_SERVER,
        OPENAI_TRANSLATIONS_SERVER,
        OPENAI_SPEECH_SERVER,
        OPENAI_CHAT_SERVER,
        OPENAI_CHAT_CLIENT,
        OPENAI_COMPLETIONS_SERVER,
        OPENAI_RESPONSES_SERVER,
        OPENAI_RESPONSES_CLIENT,
    ):
        register(protocol)
    for name in (IMAGES, IMAGE_EDITS, SPEECH, TRANSCRIPTIONS, TRANSLATIONS):
        register(native_only_client(name, OPENAI_CHAT_CLIENT))
    register(native_only_client(COMPLETIONS, OPENAI_CHAT_CLIENT, same_responses=True))
    register(OPENAI_EMBEDDINGS_SERVER)
    register(OPENAI_EMBEDDINGS_CLIENT)


@hookimpl
def register_upstreams(register: Callable[[object], None]) -> None:
    """Register upstreams with an OpenAI-compatible base URL."""
    register(OpenAIKind())
