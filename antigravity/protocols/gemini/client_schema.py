"""The fields of Gemini responses that the gateway reads."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from antigravity.protocols.gemini.grounding import CitationMetadata, GroundingMetadata
from antigravity.protocols.gemini.logprobs import LogprobsResult
from antigravity.protocols.gemini.token_counts import UsageMetadata
from antigravity.protocols.lenient import LenientDecoder


class InlineBlob(Struct, rename="camel", gc=False):
    """A file in the response itself."""

    mime_type: str | None = None
    data: str = ""


class FileBlob(Struct, rename="camel", gc=False):
    """A reference to a file."""

    mime_type: str | None = None
    file_uri: str = ""


class FunctionCall(Struct, gc=False):
    """A function call; ``args`` stay raw, so that the client gets exactly what the model wrote."""

    name: str = ""
    id: str | None = None
    args: msgspec.Raw = msgspec.Raw()


class ExecutableCode(Struct, gc=False):
    """Code that Google's interpreter runs."""

    language: str | None = None
    code: str | None = None


class CodeResult(Struct, gc=False):
    """The output of executed code."""

    outcome: str | None = None
    output: str | None = None


class Part(Struct, rename="camel", gc=False):
    """One part of a response."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None
    inline_data: InlineBlob | None = None
    file_data: FileBlob | None = None
    executable_code: ExecutableCode | None = None
    code_execution_result: CodeResult | None = None


class Content(Struct, gc=False):
    """The parts of a candidate."""

    parts: list[Part] | None = None


class Candidate(Struct, rename="camel", gc=False):
    """One of the alternative responses."""

    index: int | None = None
    content: Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    grounding_metadata: GroundingMetadata | None = None
    citation_metadata: CitationMetadata | None = None
    logprobs_result: LogprobsResult | None = None


class PromptFeedback(Struct, rename="camel", gc=False):
    """The reason why a prompt was blocked."""

    block_reason: str | None = None
    block_reason_message: str | None = None


class GenerateResponse(Struct, rename="camel", gc=False):
    """A chunk of a stream, or a whole response."""

    candidates: list[Candidate] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: UsageMetadata | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: Any = None


class CandidateSummary(Struct, rename="camel", gc=False):
    """The fields of a candidate that a tap reads."""

    finish_reason: str | None = None


class ResponseSummary(Struct, rename="camel", gc=False):
    """The fields of a chunk that a tap reads."""

    candidates: list[CandidateSummary] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: UsageMetadata | None = None
    error: Any = None


#: Reused for every chunk: building a decoder costs more than using it.
decode_response = LenientDecoder[GenerateResponse](GenerateResponse).decode
decode_responses = LenientDecoder[list[GenerateResponse]](list[GenerateResponse]).decode
decode_summary = LenientDecoder[ResponseSummary](ResponseSummary).decode
