"""The fields of ``embedContent`` and ``batchEmbedContents``."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from antigravity.protocols.gemini.schema import Content, Wire


class EmbedConfig(Wire):
    """Settings of one input."""

    task_type: str | int | UnsetType = UNSET
    title: str | UnsetType = UNSET
    output_dimensionality: int | UnsetType = UNSET


class EmbedRequest(Wire):
    """One input; the settings beside the content are the older form of those in the config."""

    content: Content | UnsetType = UNSET
    task_type: str | int | UnsetType = UNSET
    title: str | UnsetType = UNSET
    output_dimensionality: int | UnsetType = UNSET
    embed_content_config: EmbedConfig | UnsetType = UNSET
    model: str = ""


class BatchRequest(Wire):
    """Several inputs."""

    requests: list[EmbedRequest] | UnsetType = UNSET


class ContentEmbedding(Struct):
    """A vector."""

    values: tuple[float, ...] = ()


class EmbedUsage(Struct, rename="camel"):
    """The usage of a request."""

    prompt_token_count: int | None = None


class EmbedResponse(Struct, rename="camel"):
    """A response of either operation."""

    embedding: ContentEmbedding | None = None
    embeddings: list[ContentEmbedding] | None = None
    usage_metadata: EmbedUsage | None = None


class UsageOnly(Struct, rename="camel"):
    """The fields of a response that are read when it is passed through."""

    usage_metadata: EmbedUsage | None = None
