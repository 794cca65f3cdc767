"""What becomes of a form with a recording."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.ir.audio import AudioRules
from antigravity.ir.call import Call, Head
from antigravity.ir.errors import InvalidRequestError, RequestTooLargeError
from antigravity.protocols.multipart import parse_form
from tests.protocols.openai_transcriptions.builders import (
    RULES,
    TRANSCRIBE,
    TRANSLATE,
    call,
    recording_of,
    wav,
    words,
)

TIMED = ("srt", "vtt", "verbose_json", "diarized_json")


@given(st.binary(min_size=1, max_size=500), st.sampled_from(["a.wav", "ä b.WAV", "no extension"]))
def test_any_recording_arrives_byte_for_byte(tail: bytes, filename: str) -> None:
    data = wav(0.01) + tail
    request = TRANSCRIBE.decode(call(("model", "m"), filename=filename, data=data))
    mime_type, encoded = recording_of(request)
    assert mime_type == "audio/wav"
    assert base64.b64decode(encoded) == data


def test_instructions_precede_hints_of_client() -> None:
    request = TRANSCRIBE.decode(
        call(("model", "m"), ("prompt", "Names: Zoë."), ("language", "de"), ("keywords[]", "Klein"))
    )
    told = words(request)
    assert told.startswith("Transcribe, please.\n")
    assert told.endswith("Names: Zoë.")
    assert "de." in told
    assert "Klein" in told
    assert "[no speech]" in told
    assert request.response_format.kind == "text"


def test_translation_prompt_asks_for_english() -> None:
    assert "into English" in words(TRANSLATE.decode(call(("model", "m"), english=True)))
    assert "into English" not in words(TRANSCRIBE.decode(call(("model", "m"))))


@pytest.mark.parametrize("name", TIMED)
def test_times_are_asked_for_in_a_form(name: str) -> None:
    request = TRANSCRIBE.decode(call(("model", "m"), ("response_format", name), data=wav(2.5)))
    schema = request.response_format.schema
    assert schema is not None
    segment = schema["properties"]["segments"]["items"]
    assert {"start", "end", "text"} <= set(segment["required"])
    assert ("speaker" in segment["required"]) is (name == "diarized_json")
    assert "2.5 seconds long" in words(request)


def test_word_timestamps_are_requested_only_with_word_granularity() -> None:
    fields = (("model", "m"), ("response_format", "verbose_json"))
    plain = TRANSCRIBE.decode(call(*fields)).response_format.schema
    wanted = TRANSCRIBE.decode(call(*fields, ("timestamp_granularities[]", "word")))
    assert plain is not None
    assert wanted.response_format.schema is not None
    assert "words" not in plain["properties"]
    assert "words" in wanted.response_format.schema["required"]


def test_sampling_is_decoded_and_unknown_fields_become_extensions() -> None:
    request = TRANSCRIBE.decode(
        call(
            ("model", "m"),
            ("temperature", "0.25"),
            ("include[]", "logprobs"),
            ("chunking_strategy", "auto"),
            ("known_speaker_names[]", "Ann"),
        )
    )
    assert request.sampling.temperature == 0.25
    assert request.sampling.logprobs is True
    assert request.extensions == {"chunking_strategy": "auto", "known_speaker_names": ["Ann"]}


def test_log_probabilities_become_extension_in_caption_formats() -> None:
    fields = (("model", "m"), ("include[]", "logprobs"), ("response_format", "srt"))
    request = TRANSCRIBE.decode(call(*fields))
    assert request.sampling.logprobs is None
    assert request.extensions == {"include=logprobs": True}


@pytest.mark.parametrize(
    ("fields", "param", "named"),
    [
        ([("response_format", "docx")], "response_format", "verbose_json"),
        ([("response_format", "srt"), ("stream", "true")], "response_format", "diarized_json"),
        ([("timestamp_granularities[]", "letter")], "timestamp_granularities", "segment, word"),
    ],
)
def test_unsupported_values_are_refused_naming_the_supported_ones(
    fields: list[tuple[str, str]], param: str, named: str
) -> None:
    with pytest.raises(InvalidRequestError, match=named) as refused:
        TRANSCRIBE.decode(call(("model", "m"), *fields))
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("name", "value"), [("temperature", "1.5"), ("temperature", "warm"), ("stream", "perhaps")]
)
def test_invalid_values_are_refused_naming_the_field(name: str, value: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        TRANSCRIBE.decode(call(("model", "m"), (name, value)))
    assert refused.value.param == name


def test_head_is_read_without_a_check_of_other_fields() -> None:
    head = TRANSCRIBE.peek(call(("model", "m"), ("temperature", "warm"), ("stream", "True")))
    assert (head.model, head.stream) == ("m", True)
    assert TRANSCRIBE.peek(call(("stream", "perhaps"))) == Head("", False)


def test_translations_know_no_speakers() -> None:
    with pytest.raises(InvalidRequestError, match="vtt"):
        TRANSLATE.decode(call(("response_format", "diarized_json"), english=True))


def test_recordings_that_are_missing_or_too_many() -> None:
    with pytest.raises(InvalidRequestError, match="is required"):
        TRANSCRIBE.decode(call(("model", "m"), filename=None))
    with pytest.raises(InvalidRequestError, match="file name"):
        TRANSCRIBE.decode(call(("model", "m"), ("file", "x"), filename=None))
    once = call(("model", "m"))
    part = once.body[: once.body.rindex(b"--bnd-7--")]
    twice = Call(once.route, {}, {}, once.headers, part + once.body)
    with pytest.raises(InvalidRequestError, match="one recording"):
        TRANSCRIBE.decode(twice)


def test_body_that_is_not_a_form_is_rejected() -> None:
    asked = Call(TRANSCRIBE.routes[0], {}, {}, {"content-type": "application/json"}, b"{}")
    with pytest.raises(InvalidRequestError, match="multipart/form-data"):
        TRANSCRIBE.peek(asked)


def test_size_limit_error_names_limit() -> None:
    data = wav(0.1)
    exact = AudioRules("", len(data))
    assert recording_of(TRANSCRIBE.decode(call(data=data, rules=exact)))[0] == "audio/wav"
    with pytest.raises(RequestTooLargeError, match=r"max_inline_bytes.*\[audio\]") as refused:
        TRANSCRIBE.decode(call(data=data + b"\0", rules=exact))
    assert refused.value.status == 413
    assert refused.value.param == "file"
    TRANSCRIBE.decode(call(data=data, rules=AudioRules("", 0)))


def test_default_limit_is_fifteen_mebibytes() -> None:
    data = wav() + bytes(15 * 1024 * 1024)
    with pytest.raises(RequestTooLargeError, match="limit for this model is 15 MiB"):
        TRANSCRIBE.decode(call(data=data, rules=RULES))


def test_the_head_and_another_model() -> None:
    asked = call(("model", "here"), ("stream", "true"), ("prompt", "x"))
    head = TRANSCRIBE.peek(asked)
    assert (head.model, head.stream) == ("here", True)
    assert TRANSCRIBE.with_model(asked, "here") is asked.body
    pieces = TRANSCRIBE.with_model(asked, "there")
    assert isinstance(pieces, tuple)
    changed = b"".join(pieces)
    assert dict(parse_form(changed, asked.headers["content-type"]).fields()) == {
        "model": "there",
        "stream": "true",
        "prompt": "x",
    }
    assert len(changed) == len(asked.body) + 1
    assert max(len(piece) for piece in pieces if isinstance(piece, memoryview)) > len(wav())


def test_model_may_be_missing() -> None:
    assert TRANSCRIBE.peek(call()).model == ""
    assert TRANSCRIBE.peek(call(("model", ""))).model == ""
