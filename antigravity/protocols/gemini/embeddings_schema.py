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


class Values(Struct):
    """A vector."""

    values: tuple[float, ...] = ()


class Counted(Struct, rename="camel"):
    """What an answer cost."""

    prompt_token_count: int | None = None


class Answer(Struct, rename="camel"):
    """An answer, of either operation."""

    embedding: Values | None = None
    embeddings: list[Values] | None = None
    usage_metadata: Counted | None = None


class Glance(Struct, rename="camel"):
    """What of an answer matters that is passed through."""

    usage_metadata: Counted | None = None
