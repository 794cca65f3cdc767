"""The schema of the Gemini API and of Code Assist's ``v1internal``: protocol buffers messages.

Source: https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

from typing import Any, Final

from antigravity.simulator.validation.schema import array, choice, optional, struct

_OBJECT = dict[str, Any]
#: An enumeration whose values are not checked here.
_ENUM = str | int
_TYPE: Final = choice(
    "TYPE_UNSPECIFIED STRING NUMBER INTEGER BOOLEAN ARRAY OBJECT NULL", title="Type", any_case=True
)
_MODE: Final = choice(
    "MODE_UNSPECIFIED AUTO ANY NONE VALIDATED",
    title="FunctionCallingConfig.Mode",
    any_case=True,
)
_LEVEL: Final = choice(
    "THINKING_LEVEL_UNSPECIFIED LOW HIGH MEDIUM MINIMAL",
    title="ThinkingConfig.ThinkingLevel",
    any_case=True,
)
_TASK: Final = choice(
    """TASK_TYPE_UNSPECIFIED RETRIEVAL_QUERY RETRIEVAL_DOCUMENT SEMANTIC_SIMILARITY
    CLASSIFICATION CLUSTERING QUESTION_ANSWERING FACT_VERIFICATION CODE_RETRIEVAL_QUERY""",
    title="TaskType",
)


def _message(name: str, fields: dict[str, Any]) -> Any:
    """Return a message: none of its fields is required."""
    return struct(fields, name=name, required=False, module=__name__)


_BLOB: Final = _message("Blob", {**optional(str, "mimeType displayName"), "data": bytes})
_FILE_DATA: Final = _message("FileData", optional(str, "mimeType fileUri displayName"))
_MEDIA: Final = {"inlineData": _BLOB, "fileData": _FILE_DATA}
_CALL: Final = _message("FunctionCall", {**optional(str, "id name"), "args": _OBJECT})
_RESPONSE: Final = _message(
    "FunctionResponse",
    {
        **optional(str, "id name"),
        "response": _OBJECT,
        "parts": array(_message("FunctionResponsePart", _MEDIA)),
        "willContinue": bool,
        "scheduling": _ENUM,
    },
)
_PART: Final = _message(
    "Part",
    {
        **_MEDIA,
        **optional(_OBJECT, "executableCode codeExecutionResult"),
        **optional(Any, "toolCall toolResponse videoMetadata mediaResolution partMetadata"),
        "text": str,
        "functionCall": _CALL,
        "functionResponse": _RESPONSE,
        "thought": bool,
        "thoughtSignature": bytes,
        "speechMetadata": _message("SpeechMetadata", optional(str, "speaker style")),
    },
)
_CONTENT: Final = _message("Content", {"role": str, "parts": array(_PART)})


_SCHEMA: Final = _message(
    "Schema",
    {
        **optional(str, "format title description pattern"),
        **optional(int, "maxItems minItems minProperties maxProperties minLength maxLength"),
        **optional(float, "minimum maximum"),
        **optional(list[str], "enum required propertyOrdering"),
        **optional(Any, "example default"),
        "type": _TYPE,
        "nullable": bool,
        # A schema holds schemas: their type is found by its name.
        "items": "_SCHEMA",
        "properties": "dict[str, _SCHEMA]",
        "anyOf": "list[_SCHEMA]",
    },
)
_FUNCTION: Final = _message(
    "FunctionDeclaration",
    {
        **optional(str, "name description"),
        **optional(_SCHEMA, "parameters response"),
        **optional(Any, "parametersJsonSchema responseJsonSchema"),
        "behavior": _ENUM,
    },
)
_TOOL: Final = _message(
    "Tool",
    {
        "functionDeclarations": array(_FUNCTION),
        **optional(
            Any,
            """googleSearch googleSearchRetrieval codeExecution urlContext computerUse googleMaps
            fileSearch mcpServers""",
        ),
    },
)
_CALLING: Final = _message(
    "FunctionCallingConfig", {"mode": _MODE, "allowedFunctionNames": list[str]}
)
_TOOL_CONFIG: Final = _message(
    "ToolConfig",
    {
        "functionCallingConfig": _CALLING,
        "retrievalConfig": Any,
        "includeServerSideToolInvocations": bool,
    },
)
_VOICE: Final = _message(
    "VoiceConfig",
    {
        "prebuiltVoiceConfig": _message("PrebuiltVoiceConfig", {"voiceName": str}),
        "replicatedVoiceConfig": Any,
        "voice": str,
    },
)
_SPEECH: Final = _message(
    "SpeechConfig", {"voiceConfig": _VOICE, "multiSpeakerVoiceConfig": Any, "languageCode": str}
)
_GENERATION: Final = _message(
    "GenerationConfig",
    {
        **optional(int, "candidateCount maxOutputTokens seed logprobs"),
        **optional(float, "temperature topP topK presencePenalty frequencyPenalty"),
        **optional(bool, "responseLogprobs enableEnhancedCivicAnswers"),
        "stopSequences": list[str],
        "responseMimeType": str,
        "responseSchema": _SCHEMA,
        "responseJsonSchema": Any,
        "responseModalities": list[_ENUM],
        "speechConfig": _SPEECH,
        "imageConfig": _message(
            "ImageConfig", optional(str, "aspectRatio imageSize personGeneration")
        ),
        "thinkingConfig": _message(
            "ThinkingConfig",
            {"includeThoughts": bool, "thinkingBudget": int, "thinkingLevel": _LEVEL},
        ),
        "mediaResolution": _ENUM,
    },
)
_COUNTED: Final = {
    "model": str,
    "systemInstruction": _CONTENT,
    "contents": array(_CONTENT),
    "tools": array(_TOOL),
    "toolConfig": _TOOL_CONFIG,
    "generationConfig": _GENERATION,
}
_REQUEST: Final = {
    **_COUNTED,
    "safetySettings": array(_message("SafetySetting", optional(_ENUM, "category threshold"))),
    "cachedContent": str,
    "labels": Any,
}
REQUEST: Final = _message(
    "GenerateContentRequest", {**_REQUEST, "serviceTier": _ENUM, "store": bool}
)
COUNT_REQUEST: Final = _message(
    "CountTokensRequest",
    {"model": str, "contents": array(_CONTENT), "generateContentRequest": REQUEST},
)
#: The request inside Code Assist's envelope.
INTERNAL_REQUEST: Final = _message("InternalRequest", {**_REQUEST, "sessionId": str})
#: The envelope without the request, which is read on its own.
ENVELOPE: Final = _message(
    "InternalEnvelope",
    {
        **optional(str, "model project userPromptId requestId userAgent requestType"),
        "enabledCreditTypes": list[_ENUM],
    },
)
COUNT_ENVELOPE: Final = _message(
    "InternalCountEnvelope", {"request": _message("InternalCountRequest", _COUNTED)}
)
_EMBED_OPTIONS: Final = {"taskType": _TASK, "title": str, "outputDimensionality": int}
EMBED_REQUEST: Final = _message(
    "EmbedContentRequest",
    {
        **_EMBED_OPTIONS,
        "model": str,
        "content": _CONTENT,
        "embedContentConfig": _message(
            "EmbedContentConfig",
            {**_EMBED_OPTIONS, **optional(bool, "autoTruncate documentOcr audioTrackExtraction")},
        ),
    },
)
BATCH_EMBED_REQUEST: Final = _message(
    "BatchEmbedContentsRequest", {"model": str, "requests": array(EMBED_REQUEST)}
)
