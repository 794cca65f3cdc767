"""Reads a request: a prompt becomes one user message.

A prompt in tokens, several prompts at once, ``suffix`` and a ``best_of`` that picks cannot
be carried to a chat model, and are refused rather than dropped.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from antigravity.ir.call import Call
from antigravity.ir.parts import Text
from antigravity.ir.request import Message, Request, Sampling, ThinkingConfig
from antigravity.protocols.json_body import bad_field, convert, load_object

NAME: Final = "openai_completions"

Penalty = Annotated[float, Meta(ge=-2, le=2)]


class StreamOptions(Struct):
    """What a stream should hold besides."""

    include_usage: bool | None = None


class CompletionRequest(Struct):
    """The body of a call; fields that are not here become extensions."""

    model: Annotated[str, Meta(min_length=1)]
    prompt: str | list[Any]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    echo: bool | None = None
    suffix: str | None = None
    best_of: Annotated[int, Meta(ge=1)] | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    logprobs: Annotated[int, Meta(ge=0, le=5)] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: int | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    user: str | None = None


_KNOWN = frozenset(CompletionRequest.__struct_fields__)


def decode(call: Call) -> Request:
    """Return the request in a call.

    :raises InvalidRequestError: naming the field at fault in ``param``.
    """
    body = load_object(call.body)
    wire: CompletionRequest = convert(body, CompletionRequest)
    _refuse(wire)
    stream = bool(wire.stream)
    options = wire.stream_options
    return Request(
        model=wire.model,
        messages=(Message("user", (Text(_prompt(wire.prompt)),)),),
        protocol=NAME,
        stream=stream,
        include_usage=not stream or bool(options is not None and options.include_usage),
        sampling=_sampling(wire),
        stop=(wire.stop,) if isinstance(wire.stop, str) else tuple(wire.stop or ()),
        max_output_tokens=wire.max_tokens,
        thinking=ThinkingConfig(include=False),  # there is no place for thoughts
        user=wire.user,
        extensions={name: value for name, value in body.items() if name not in _KNOWN},
    )


def echoed(call: Call) -> str:
    """Return the text that the answer must begin with: the prompt, if the client wants it."""
    if b'"echo"' not in call.body:
        return ""
    wire: CompletionRequest = convert(load_object(call.body), CompletionRequest)
    return _prompt(wire.prompt) if wire.echo else ""


def _refuse(wire: CompletionRequest) -> None:
    """Refuse what no chat model can do."""
    if wire.suffix:
        raise bad_field("suffix", "is not supported: chat models can't fill in a middle")
    if wire.best_of is not None and wire.best_of > (wire.n or 1):
        raise bad_field("best_of", "must not be greater than `n`: nothing here can rank answers")
    if wire.best_of is not None and wire.best_of < (wire.n or 1):
        raise bad_field("best_of", "must not be less than `n`")
    if wire.echo and wire.logprobs is not None:
        raise bad_field("echo", "can't be combined with `logprobs`: a prompt has none here")


def _prompt(prompt: str | list[Any]) -> str:
    if isinstance(prompt, str):
        return prompt
    if not prompt:
        raise bad_field("prompt", "must not be empty")
    if any(isinstance(item, int | list) for item in prompt):
        raise bad_field("prompt", "must be text: tokens of another model mean nothing here")
    if not all(isinstance(item, str) for item in prompt):
        raise bad_field("prompt", "must be a string, or a list that holds one string")
    if len(prompt) > 1:
        raise bad_field("prompt", "holds several prompts: send one request for each")
    return str(prompt[0])


def _sampling(wire: CompletionRequest) -> Sampling:
    return Sampling(
        temperature=wire.temperature,
        top_p=wire.top_p,
        top_k=wire.top_k,
        seed=wire.seed,
        presence_penalty=wire.presence_penalty,
        frequency_penalty=wire.frequency_penalty,
        logprobs=None if wire.logprobs is None else True,
        top_logprobs=wire.logprobs,
        n=wire.n or 1,
    )
