"""The fields of Gemini answers that mean something to the gateway."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from antigravity.protocols.gemini.grounding import CitationMetadata, GroundingMetadata
from antigravity.protocols.gemini.logprobs import LogprobsResult
from antigravity.protocols.gemini.token_counts import UsageMetadata
from antigravity.protocols.lenient import LenientDecoder


class InlineBlob(Struct, rename="camel"):
    """Bytes in the answer."""

    mime_type: str | None = None
    data: str = ""


class FileBlob(Struct, rename="camel"):
    """A file that the answer points to."""

    mime_type: str | None = None
    file_uri: str = ""


class Call(Struct):
    """A function call; ``args`` stay raw, so that what the model wrote is what the client gets."""

    name: str = ""
    id: str | None = None
    args: msgspec.Raw = msgspec.Raw()


class ExecutableCode(Struct):
    """Code that Google's interpreter runs."""

    language: str | None = None
    code: str | None = None


class CodeResult(Struct):
    """What came out of it."""

    outcome: str | None = None
    output: str | None = None


class AnswerPart(Struct, rename="camel"):
    """One part of an answer."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: Call | None = None
    inline_data: InlineBlob | None = None
    file_data: FileBlob | None = None
    executable_code: ExecutableCode | None = None
    code_execution_result: CodeResult | None = None


class AnswerContent(Struct):
    """The parts of a candidate."""

    parts: list[AnswerPart] | None = None


class Candidate(Struct, rename="camel"):
    """One of the answers."""

    index: int | None = None
    content: AnswerContent | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    grounding_metadata: GroundingMetadata | None = None
    citation_metadata: CitationMetadata | None = None
    logprobs_result: LogprobsResult | None = None


class PromptFeedback(Struct, rename="camel"):
    """Why a prompt was not answered."""

    block_reason: str | None = None
    block_reason_message: str | None = None


class Answer(Struct, rename="camel"):
    """A chunk of a stream, or a whole answer."""

    candidates: list[Candidate] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: UsageMetadata | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: Any = None


class _Glance(Struct, rename="camel"):
    """What a tap needs of a candidate."""

    finish_reason: str | None = None


class AnswerGlance(Struct, rename="camel"):
    """What a tap needs of a chunk."""

    candidates: list[_Glance] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: UsageMetadata | None = None
    error: Any = None


#: Reused for every chunk: building a decoder costs more than using it.
decode_answer = LenientDecoder[Answer](Answer).decode
decode_answers = LenientDecoder[list[Answer]](list[Answer]).decode
decode_glance = LenientDecoder[AnswerGlance](AnswerGlance).decode
