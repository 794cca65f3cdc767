"""Responses in the client's protocol, but in another form than requested.

A whole JSON object in place of a stream is decoded and encoded as a stream; a stream in place of
a whole response is collected.  This costs one request, no retry.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from antigravity.exchange.attempts.attempt import Attempt
from antigravity.exchange.reply_context import reply_context
from antigravity.exchange.streams.event_source import EventSource
from antigravity.exchange.streams.other_protocol import decoder_finder, is_other_protocol
from antigravity.exchange.streams.response_form import Form, FormDetector, ResponseSource
from antigravity.exchange.streams.translated import ResponseCollector, TranslatedStream, Translator
from antigravity.exchange.token_estimate import estimate_input_tokens
from antigravity.interfaces.protocols import IStreamEncoder
from antigravity.interfaces.transport import IIncomingResponse
from antigravity.ir.errors import GatewayError
from antigravity.ir.response import Response
from antigravity.ir.usage import Usage
from antigravity.lowering.pipeline import EventPipeline
from antigravity.signatures.thinking_recovery import SignatureCollector


class FormDetectingStream:
    """Feeds events to ``passed``, and other forms to the translator that ``translated`` makes.

    The first bytes of the response show its form.
    """

    def __init__(
        self,
        passed: Translator,
        translated: Callable[[], Translator],
        source: ResponseSource,
        protocol: str = "",
    ) -> None:
        #: The translator that was chosen.
        self.inner = passed
        self._translated = translated
        self._source = source
        self._protocol = protocol
        self._detector: FormDetector | None = FormDetector()
        self._failure: GatewayError | None = None
        self.over = False

    @property
    def meaningful(self) -> bool:
        """Whether content was seen."""
        return self.inner.meaningful

    @property
    def failure(self) -> GatewayError | None:
        """The error that ended the response, if any."""
        return self._failure or self.inner.failure

    @property
    def usage(self) -> Usage | None:
        """The last usage that was reported."""
        return self.inner.usage

    def estimate_output(self) -> int:
        """Return about how many tokens the response had so far."""
        return self.inner.estimate_output()

    def feed(self, data: bytes) -> bytes:
        """Return the client's bytes for a chunk of the upstream's body."""
        if self._detector is not None:
            detector = self._detector
            form = detector.feed(data)
            if form is None:
                return b""
            data = self._choose(form)
        if self.over:
            return b""
        out = self.inner.feed(data)
        self.over = self.inner.over
        return out

    def end(self, error: GatewayError | None) -> bytes:
        """Return the client's bytes for the end of the body."""
        out = b""
        if self._detector is not None:
            form = self._detector.end()
            data = self._choose("events" if error is not None and form != "json" else form)
            out = b"" if self.over else self.inner.feed(data)
        if self.over:
            return out
        out += self.inner.end(error)
        self.over = True
        return out

    def keepalive(self) -> bytes:
        """Return a keep-alive that may be sent now."""
        return self.inner.keepalive()

    def _choose(self, form: Form) -> bytes:
        """Choose the translator, and return the bytes that were read so far."""
        detector, self._detector = self._detector, None
        assert detector is not None
        if form == "json" or (
            form == "events" and is_other_protocol(self._protocol, detector.head)
        ):
            try:
                self.inner = self._translated()
            except GatewayError as error:
                self._failure = error
        elif form != "events":
            self._failure = self._source.unusable(form, detector.head)
        self.over = self._failure is not None
        return detector.head


def native_source(attempt: Attempt, response: IIncomingResponse, *, held: bool) -> EventSource:
    """Return what reads a response in the client's protocol.

    :raises GatewayError: if the request, which must be decoded for it, is not valid.
    """
    context, option = attempt.context, attempt.option
    request, upstream = context.request, option.upstream
    keep = partial(context.services.signatures.remember, context.call.principal)
    return EventSource(
        option.client.decoder(request, option.target),
        EventPipeline(()),
        upstream.unwrap if upstream.wraps() else None,
        SignatureCollector(keep),
        partial(estimate_input_tokens, context, option.target.model, request),
        lines=option.client.traits.json_lines,
        held=held,
        source=attempt.source(response),
        ends=attempt.end_policy,
        others=decoder_finder(context, option, request),
    )


def reencoded_stream(attempt: Attempt, response: IIncomingResponse) -> TranslatedStream:
    """Return what makes a stream for the client of a response that is none."""
    context = attempt.context
    encoder: IStreamEncoder = context.protocol.encoder(reply_context(context))
    return TranslatedStream(native_source(attempt, response, held=False), encoder)


def collect_response(attempt: Attempt, response: IIncomingResponse, body: bytes) -> Response:
    """Return the whole response that a body in any form holds.

    :raises GatewayError: if it is not complete, or tells an error.
    """
    collector = ResponseCollector(native_source(attempt, response, held=True))
    collector.feed(body)
    collector.end(None)
    return collector.response()
