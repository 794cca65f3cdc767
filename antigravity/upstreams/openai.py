"""OpenAI's APIs, at OpenAI and at compatible providers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

from zope.interface import implementer

from antigravity.config.errors import ConfigurationError
from antigravity.config.settings import OpenAIApi, UpstreamSettings
from antigravity.interfaces.embeddings import IEmbeddingKind, IEmbeddingUpstream
from antigravity.interfaces.transport import OutgoingRequest
from antigravity.interfaces.upstreams import (
    Credential,
    ISocketUpstream,
    IStoringUpstream,
    IUpstreamKind,
    UpstreamOperation,
)
from antigravity.ir.call import Call
from antigravity.upstreams.addresses import BaseUrl
from antigravity.upstreams.base import HeaderPairs, HttpUpstream
from antigravity.upstreams.services import UpstreamServices

CHAT: Final = "openai_chat"
RESPONSES: Final = "openai_responses"
COMPLETIONS: Final = "openai_completions"
EMBEDDINGS: Final = "openai_embeddings"
IMAGES: Final = "openai_images"
IMAGE_EDITS: Final = "openai_image_edits"
SPEECH: Final = "openai_speech"
TRANSCRIPTIONS: Final = "openai_transcriptions"
TRANSLATIONS: Final = "openai_translations"

#: The protocols by their name in the setting ``apis``.
_APIS: Final[Mapping[OpenAIApi, tuple[str, ...]]] = {
    "chat": (CHAT,),
    "responses": (RESPONSES,),
    "completions": (COMPLETIONS,),
    "images": (IMAGES, IMAGE_EDITS),
    "audio": (SPEECH, TRANSCRIPTIONS, TRANSLATIONS),
}
#: The protocols to which requests of other protocols are translated.
_TRANSLATED: Final = (CHAT, RESPONSES)
#: The paths of protocols that are only passed through; their bodies need not be JSON.
_PASSED: Final[Mapping[str, str]] = {
    IMAGES: "/images/generations",
    IMAGE_EDITS: "/images/edits",
    SPEECH: "/audio/speech",
    TRANSCRIPTIONS: "/audio/transcriptions",
    TRANSLATIONS: "/audio/translations",
}
#: The path after the id of a stored response, by the tag of the route.
_STORED_PATHS: Final = {
    "retrieve": "",
    "delete": "",
    "input_items": "/input_items",
    "cancel": "/cancel",
}
_PATHS: Final = {
    (CHAT, "generate"): "/chat/completions",
    (CHAT, "stream"): "/chat/completions",
    (CHAT, "list_models"): "/models",
    (RESPONSES, "generate"): "/responses",
    (RESPONSES, "stream"): "/responses",
    (RESPONSES, "compact"): "/responses/compact",
    (RESPONSES, "count_tokens"): "/responses/input_tokens",
    (RESPONSES, "list_models"): "/models",
    (COMPLETIONS, "generate"): "/completions",
    (COMPLETIONS, "stream"): "/completions",
    (EMBEDDINGS, "embed_batch"): "/embeddings",
    **{(name, "generate"): path for name, path in _PASSED.items()},
    **{(name, "stream"): path for name, path in _PASSED.items()},
}


@implementer(IEmbeddingUpstream, IStoringUpstream, ISocketUpstream)
class OpenAIUpstream(HttpUpstream):
    """A server with chat completions, responses, or both.

    ``/v1`` is added only to an address without a path, since compatible servers use various paths.
    Chat completions come first for translation, since all servers support them well.
    """

    kind = "openai"
    default_urls = ("https://api.openai.com/v1",)
    embedding_protocols = (EMBEDDINGS,)

    def __init__(self, settings: UpstreamSettings, services: UpstreamServices) -> None:
        protocols = tuple(
            name
            for api, names in _APIS.items()
            if api in settings.apis
            for name in names
            if name in services.protocols
        )
        if not set(protocols) & set(_TRANSLATED):
            raise ConfigurationError(
                'name at least one of "chat" and "responses"',
                key=f"upstreams.{services.name}.apis",
            )
        super().__init__(settings, services, protocols)
        has_sockets = settings.responses_websocket and RESPONSES in protocols
        self.socket_protocols = (RESPONSES,) if has_sockets else ()

    def passes(self, protocol: str, operation: UpstreamOperation, body: bytes = b"") -> bool:
        """Return whether the upstream has this operation in this protocol."""
        return self._speaks(protocol) and (protocol, operation) in _PATHS

    def stored_requests(self, call: Call, credential: Credential) -> Sequence[OutgoingRequest]:
        """Return the HTTP requests about a response that was made with ``credential``."""
        path = f"/responses/{quote(call.arguments['id'], safe='')}{_STORED_PATHS[call.route.tag]}"
        return self._requests_about(call, path, RESPONSES, credential)

    def _speaks(self, protocol: str) -> bool:
        return protocol in self.protocols or protocol in self.embedding_protocols

    def _normal(self, base: BaseUrl) -> BaseUrl:
        return base.with_default("/v1")

    def _target(self, operation: UpstreamOperation, protocol: str, model: str) -> tuple[str, str]:
        path = _PATHS.get((protocol, operation))
        if path is None or not self._speaks(protocol):
            raise self._no_operation(operation, protocol)
        return path, ""

    def _authorization(self, credential: Credential, base: BaseUrl) -> HeaderPairs:
        return (("authorization", f"Bearer {credential.secret}"),)

    def _forwarded(self, headers: Mapping[str, str]) -> HeaderPairs:
        # Not the organization and the project: those belong to the client's own key.
        beta = headers.get("openai-beta")
        return (("openai-beta", beta),) if beta else ()

    def _content(self, protocol: str, headers: Mapping[str, str]) -> HeaderPairs:
        if protocol not in _PASSED:
            return ()
        names = ("content-type", "accept")
        return tuple((name, headers[name]) for name in names if headers.get(name))


@implementer(IUpstreamKind, IEmbeddingKind)
class OpenAIKind:
    """Makes upstreams of kind ``openai``."""

    kind = "openai"
    description = "OpenAI's chat completions and responses, or a compatible base URL"

    def build(self, settings: object, services: object) -> OpenAIUpstream:
        """Return the upstream for one ``[upstreams.NAME]`` table."""
        assert isinstance(settings, UpstreamSettings)
        assert isinstance(services, UpstreamServices)
        return OpenAIUpstream(settings, services)
