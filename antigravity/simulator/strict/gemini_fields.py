"""Which fields the Gemini API knows, and what is refused of the rest; pure.

The services read JSON as protocol buffers: every object is a message whose fields are known,
each under its camelCase and its snake_case name, and anything else is refused with its path.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from antigravity.simulator.faults import ApiError
from antigravity.simulator.strict.encoded import is_base64

#: Field types: ``s`` text, ``i`` integer, ``n`` number, ``b`` boolean, ``x`` base64,
#: ``e`` enumeration, ``*`` anything, a name is a message, ``[]`` is a list, ``{}`` a map.
_SPECS: Final = {
    "Request": """model:s systemInstruction:Content contents:Content[] tools:Tool[]
        toolConfig:ToolConfig safetySettings:Safety[] generationConfig:Generation
        cachedContent:s labels:* serviceTier:e store:b""",
    "InnerRequest": """model:s systemInstruction:Content contents:Content[] tools:Tool[]
        toolConfig:ToolConfig safetySettings:Safety[] generationConfig:Generation
        cachedContent:s labels:* sessionId:s""",
    "EmbedRequest": """model:s content:Content taskType:* title:s outputDimensionality:i
        embedContentConfig:EmbedConfig""",
    "EmbedConfig": """taskType:* title:s outputDimensionality:i autoTruncate:b documentOcr:b
        audioTrackExtraction:b""",
    "EmbedBatch": "model:s requests:EmbedRequest[]",
    "CountRequest": "model:s contents:Content[] generateContentRequest:Request",
    "InnerCount": """model:s systemInstruction:Content contents:Content[] tools:Tool[]
        toolConfig:ToolConfig generationConfig:Generation""",
    "Envelope": """model:s project:s userPromptId:s requestId:s userAgent:s requestType:s
        enabledCreditTypes:e[] request:InnerRequest""",
    "CountEnvelope": "request:InnerCount",
    "Content": "role:s parts:Part[]",
    "Part": """text:s inlineData:Blob fileData:FileData functionCall:Call
        functionResponse:Result executableCode:o codeExecutionResult:o toolCall:* toolResponse:*
        thought:b thoughtSignature:x videoMetadata:* mediaResolution:* partMetadata:*
        speechMetadata:SpeechMeta""",
    "SpeechMeta": "speaker:s style:s",
    "Speech": "voiceConfig:Voice multiSpeakerVoiceConfig:* languageCode:s",
    "Voice": "prebuiltVoiceConfig:Prebuilt replicatedVoiceConfig:* voice:s",
    "Prebuilt": "voiceName:s",
    "Blob": "mimeType:s data:x displayName:s",
    "FileData": "mimeType:s fileUri:s displayName:s",
    "Call": "id:s name:s args:o",
    "Result": "id:s name:s response:o parts:ResultPart[] willContinue:b scheduling:e",
    "ResultPart": "inlineData:Blob fileData:FileData",
    "Tool": """functionDeclarations:Function[] googleSearch:* googleSearchRetrieval:*
        codeExecution:* urlContext:* computerUse:* googleMaps:* fileSearch:* mcpServers:*""",
    "Function": """name:s description:s parameters:Schema parametersJsonSchema:* response:Schema
        responseJsonSchema:* behavior:e""",
    "Schema": """type:e format:s title:s description:s nullable:b enum:s[] items:Schema
        maxItems:i minItems:i properties:Schema{} required:s[] minProperties:i maxProperties:i
        minimum:n maximum:n minLength:i maxLength:i pattern:s example:* anyOf:Schema[]
        propertyOrdering:s[] default:*""",
    "ToolConfig": """functionCallingConfig:Calling retrievalConfig:*
        includeServerSideToolInvocations:b""",
    "Calling": "mode:e allowedFunctionNames:s[]",
    "Safety": "category:e threshold:e",
    "Generation": """candidateCount:i stopSequences:s[] maxOutputTokens:i temperature:n topP:n
        topK:n seed:i responseMimeType:s responseSchema:Schema responseJsonSchema:*
        presencePenalty:n frequencyPenalty:n responseLogprobs:b logprobs:i
        enableEnhancedCivicAnswers:b responseModalities:e[] speechConfig:Speech imageConfig:Image
        thinkingConfig:Thinking mediaResolution:e""",
    "Image": "aspectRatio:s imageSize:s personGeneration:s",
    "Thinking": "includeThoughts:b thinkingBudget:i thinkingLevel:e",
}
_TYPES: Final = {
    "s": "TYPE_STRING", "i": "TYPE_INT32", "n": "TYPE_FLOAT", "b": "TYPE_BOOL",
    "x": "TYPE_BYTES", "e": "TYPE_ENUM",
    "o": "type.googleapis.com/google.protobuf.Struct",
}  # fmt: skip
_PREFIX: Final = "Invalid JSON payload received. Unknown name"
SCHEMA_TYPES: Final = ("STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL")
#: Enumerations whose values are looked at, by the field; a number is as good as a name.
_NUMBERED: Final = {
    "type": ("TYPE_UNSPECIFIED", *SCHEMA_TYPES),
    "mode": ("MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"),
}


def snake(name: str) -> str:
    """Return the snake_case form of a camelCase name."""
    return re.sub(r"[A-Z]", lambda match: "_" + match[0].lower(), name)


@dataclass(frozen=True)
class _Field:
    camel: str
    kind: str
    shape: str  # "", "[]" or "{}"


def _read(spec: str) -> dict[str, _Field]:
    fields: dict[str, _Field] = {}
    for word in spec.split():
        name, _, kind = word.partition(":")
        shape = kind[-2:] if kind[-2:] in ("[]", "{}") else ""
        field = _Field(name, kind.removesuffix(shape) if shape else kind, shape)
        fields[name] = fields[snake(name)] = field
    return fields


_MESSAGES: Final = {name: _read(spec) for name, spec in _SPECS.items()}


class Reader:
    """Normalises a body to camelCase and collects what is wrong with its fields."""

    def __init__(self, json_schema: bool = True) -> None:
        self.violations: list[tuple[str, str]] = []
        self._hidden = (
            frozenset[str]()
            if json_schema
            else frozenset(("parametersJsonSchema", "responseJsonSchema"))
        )

    def read(self, message: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the body in camelCase.

        :raises ApiError: if any field is unknown or has a wrong type.
        """
        result: dict[str, Any] = self._message(message, body, "")
        if self.violations:
            text = "\n".join(description for _, description in self.violations)
            raise ApiError(400, text, violations=tuple(self.violations))
        return result

    def _message(self, message: str, value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            self._wrong(path, f"type.googleapis.com/google.ai.generativelanguage.{message}", value)
            return {}
        known, result = _MESSAGES[message], {}
        for name, item in value.items():
            field = known.get(name)
            if field is None or field.camel in self._hidden:
                place = f" at '{path}'" if path else ""
                self.violations.append((path, f'{_PREFIX} "{name}"{place}: Cannot find field.'))
            elif item is not None:
                here = f"{path}.{snake(field.camel)}" if path else snake(field.camel)
                result[field.camel] = self._field(field, item, here)
        return result

    def _field(self, field: _Field, value: Any, path: str) -> Any:
        if field.shape == "{}":
            if not isinstance(value, dict):
                self._wrong(path, "map", value)
                return {}
            # The service names an entry of a map by its place.
            return {
                name: self._one(field.kind, item, f"{path}[{index}].value")
                for index, (name, item) in enumerate(value.items())
            }
        if field.shape == "[]":
            items = value if isinstance(value, list) else [value]
            return [
                self._one(field.kind, item, f"{path}[{index}]") for index, item in enumerate(items)
            ]
        if isinstance(value, list) and field.kind != "*":
            parent, _, name = path.rpartition(".")
            text = (
                f"{_PREFIX} \"{name}\" at '{parent}': Proto field is not repeating, cannot "
                "start list."
            )
            self.violations.append((path, text))
            return None
        return self._one(field.kind, value, path)

    def _one(self, kind: str, value: Any, path: str) -> Any:
        if kind == "*":
            return value
        if kind not in _TYPES:
            return self._message(kind, value, path)
        if kind == "e":
            value = _named(value, path)
        good = {
            "s": isinstance(value, str),
            "e": isinstance(value, str | int) and not isinstance(value, bool),
            "b": isinstance(value, bool),
            "o": isinstance(value, dict),
            "n": _is_number(value),
            "i": _is_number(value) and float(value) == int(float(value)),
            "x": is_base64(value, url_safe=True),
        }[kind]
        if kind == "x" and not good:
            self.violations.append(
                (
                    path,
                    (
                        f"Invalid value at '{path}' (TYPE_BYTES), Base64 decoding failed for "
                        f"{json.dumps(value)[:80]}"
                    ),
                )
            )
        elif not good:
            self._wrong(path, _TYPES[kind], value)
        elif path.endswith("type") and kind == "e":
            if isinstance(value, str) and value.upper() not in SCHEMA_TYPES:
                self._wrong(
                    path, "type.googleapis.com/google.ai.generativelanguage.v1beta.Type", value
                )
            return value.upper() if isinstance(value, str) else value
        elif kind in ("n", "i") and good:
            return float(value) if kind == "n" else int(float(value))
        return value

    def _wrong(self, path: str, kind: str, value: Any) -> None:
        shown = json.dumps(value)[:80]
        self.violations.append((path, f"Invalid value at '{path}' ({kind}), {shown}"))


def _named(value: Any, path: str) -> Any:
    """Return the name of a value of an enumeration that came as a number."""
    names = _NUMBERED.get(path.rpartition(".")[2], ())
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
        return names[value]
    return value


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, str):
        return re.fullmatch(r"-?\d+(\.\d+)?", value) is not None
    return isinstance(value, int | float)
