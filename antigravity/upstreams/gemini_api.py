"""Google's public Gemini API, with a key."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from zope.interface import implementer

from antigravity.config.settings import UpstreamSettings
from antigravity.interfaces.embeddings import IEmbeddingKind, IEmbeddingUpstream
from antigravity.interfaces.transport import OutgoingRequest
from antigravity.interfaces.upstreams import (
    Credential,
    IModelProtocols,
    IStoringUpstream,
    IUpstreamKind,
    UpstreamOperation,
)
from antigravity.ir.call import Call
from antigravity.ir.errors import InvalidRequestError
from antigravity.upstreams.addresses import BaseUrl
from antigravity.upstreams.base import HeaderPairs, HttpUpstream
from antigravity.upstreams.services import UpstreamServices

_METHODS: Final = {
    "generate": ("generateContent", ""),
    "stream": ("streamGenerateContent", "alt=sse"),
    "count_tokens": ("countTokens", ""),
}
#: The operations whose switch for streams is in the body.
_STREAMED: Final = ("generate", "stream")
_GEMINI: Final = "gemini"
_INTERACTIONS: Final = "gemini_interactions"
_IMAGEN: Final = "imagen"
#: The header with the revision of the Interactions API, and the one that is written here.
_REVISION: Final = "api-revision"
_DEFAULT_REVISION: Final = "2026-05-20"
_EMBEDDINGS: Final = "gemini_embeddings"
_EMBEDDING_METHODS: Final = {"embed": "embedContent", "embed_batch": "batchEmbedContents"}


_VERSION_SUFFIX: Final = re.compile(r"/v\d+(?:(?:alpha|beta)\d*)?$")


@lru_cache(maxsize=1024)
def resource_of(model: str) -> str:
    """Return the path of ``model``, which is a bare name or begins with ``models/``.

    :raises InvalidRequestError: if it would be another path.
    """
    segments = model.split("/")
    if any(segment in ("", ".", "..") for segment in segments):
        raise InvalidRequestError(f"{model!r} is not the name of a model", param="$.model")
    if len(segments) == 1:
        segments.insert(0, "models")
    return "/" + "/".join(quote(segment, safe="") for segment in segments)


@implementer(IEmbeddingUpstream, IModelProtocols, IStoringUpstream)
class GeminiApiUpstream(HttpUpstream):
    """A server with Gemini's paths; its base address can end with a version.

    It speaks Interactions, too, if its quirks say so: compatible servers mostly do not.
    """

    kind = "gemini_api"
    default_urls = ("https://generativelanguage.googleapis.com",)
    embedding_protocols = (_EMBEDDINGS,)
    model_protocols = (_IMAGEN,)

    def __init__(self, settings: UpstreamSettings, services: UpstreamServices) -> None:
        super().__init__(settings, services, (_GEMINI,))
        if _INTERACTIONS in services.protocols and "interactions" in self.quirks:
            only = "no_generate_content" in self.quirks
            self.protocols = (_INTERACTIONS,) if only else (_GEMINI, _INTERACTIONS)

    def stored_requests(self, call: Call, credential: Credential) -> Sequence[OutgoingRequest]:
        """Return the HTTP requests about an interaction that was made with ``credential``."""
        path = f"/interactions/{quote(call.arguments['id'], safe='')}"
        if call.route.tag == "cancel":
            path += "/cancel"
        return self._requests_about(call, path, _INTERACTIONS, credential)

    def _normal(self, base: BaseUrl) -> BaseUrl:
        if _VERSION_SUFFIX.search(base.path):
            return base
        return BaseUrl(base.origin, base.path + "/v1beta", base.query)

    def _target(self, operation: UpstreamOperation, protocol: str, model: str) -> tuple[str, str]:
        if protocol == _EMBEDDINGS and operation in _EMBEDDING_METHODS:
            return f"{resource_of(model)}:{_EMBEDDING_METHODS[operation]}", ""
        if protocol == _IMAGEN and operation == "generate":
            return f"{resource_of(model)}:predict", ""
        if protocol in self.protocols:
            if operation == "list_models":
                return "/models", "pageSize=1000"
            if protocol == _INTERACTIONS and operation in _STREAMED:
                return "/interactions", ""
            if protocol == _GEMINI and operation in _METHODS:
                method, query = _METHODS[operation]
                return f"{resource_of(model)}:{method}", query
        raise self._no_operation(operation, protocol)

    def passes(self, protocol: str, operation: UpstreamOperation, body: bytes = b"") -> bool:
        """Return whether the upstream has this operation in this protocol."""
        if protocol == _IMAGEN:
            return operation == "generate"
        if protocol == _INTERACTIONS and operation not in _STREAMED:
            return False
        is_embedding = operation in _EMBEDDING_METHODS
        return protocol in (self.embedding_protocols if is_embedding else self.protocols)

    def _content(self, protocol: str, headers: Mapping[str, str]) -> HeaderPairs:
        if protocol != _INTERACTIONS:
            return ()
        return ((_REVISION, headers.get(_REVISION) or _DEFAULT_REVISION),)

    def _authorization(self, credential: Credential, base: BaseUrl) -> HeaderPairs:
        return (("x-goog-api-key", credential.secret),)


@implementer(IUpstreamKind, IEmbeddingKind)
class GeminiApiKind:
    """Builds upstreams of kind ``gemini_api``."""

    kind = "gemini_api"
    description = "Google's public Gemini API, with a key"

    def build(self, settings: object, services: object) -> GeminiApiUpstream:
        """Return the upstream for one ``[upstreams.NAME]`` table."""
        assert isinstance(settings, UpstreamSettings)
        assert isinstance(services, UpstreamServices)
        return GeminiApiUpstream(settings, services)
