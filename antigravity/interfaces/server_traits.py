"""What is special about a server protocol, as data: values, and functions that are optional.

The exchange reads these once per request.  A function that is ``None`` means that the protocol
has no such thing.  All functions are pure, and none of them decodes a whole request.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from msgspec import Struct
from zope.interface import Attribute, Interface

from antigravity.ir.aspects import Aspects
from antigravity.ir.call import Call, HttpReply
from antigravity.ir.capabilities import Capabilities
from antigravity.ir.errors import GatewayError, InvalidRequestError, NotFoundError
from antigravity.ir.request import Request


class RequiredModalities(Struct, frozen=True):
    """What a model must accept (``input``) and produce (``output``); empty: anything."""

    input: Literal["", "image", "document", "audio", "video"] = ""
    output: str = ""


class RequestedChoices(Struct, frozen=True):
    """How many responses a request asks for: ``each`` of them to each of the ``prompts``."""

    each: int = 1
    prompts: int = 1


class IFramer(Interface):
    """Writes the JSON payloads of a protocol's stream in the framing that one call asks for."""

    content_type = Attribute("The ``Content-Type`` of the stream.  :type: str")

    def frame(data: bytes) -> bytes:
        """Return one payload framed."""

    def end() -> bytes:
        """Return what ends the stream."""


class StreamFraming(Struct, frozen=True):
    """The framings of a protocol whose streams are not always server-sent events.

    ``framer`` returns the framer that a call asks for, ``None`` for plain server-sent events.
    ``encode_failure`` returns the JSON payload that ends a stream which broke off.
    """

    framer: Callable[[Call], IFramer | None]
    encode_failure: Callable[[GatewayError], bytes]


class StoredResponses(Struct, frozen=True):
    """How a protocol's requests refer to earlier responses, and read them again.

    Bodies, histories and snapshots are JSON texts.  Stream encoders of such a protocol have the
    attribute ``final_response``: the whole response's JSON object, ``None`` before the end.
    Routes about one stored response have the operation ``stored`` and the argument ``id``.

    ``previous_id`` returns the id of the response that a body continues, if there is one.
    ``wants_store`` returns whether the response to a body is to be stored.
    ``expand`` returns a body with the items of a history before its own, and no reference.
    ``snapshot`` returns the items to store: those of the (expanded) body and of its response.
    ``encode`` returns the reply to a ``stored`` call about a snapshot, or raises
    ``InvalidRequestError``; ``not_found`` returns the error where there is no snapshot.
    """

    previous_id: Callable[[bytes], str | None]
    wants_store: Callable[[bytes], bool]
    expand: Callable[[bytes, Sequence[bytes]], bytes]
    snapshot: Callable[[bytes, bytes], bytes]
    encode: Callable[[Call, bytes], HttpReply]
    not_found: Callable[[Call], NotFoundError]


class ServerTraits(Struct, frozen=True, kw_only=True):
    """What the gateway must know of a server protocol beyond decoding and encoding.

    ``required_modalities`` is for a protocol of one purpose, such as drawing images: what a model
    of another protocol must be able to do for it.  Its requests belong to no conversation, and a
    404 says nothing about the account: not every upstream has a path for it.

    ``may_answer_with_files`` says that a response may be text or a file: what is neither JSON nor
    a stream of events is passed on byte for byte.

    ``conversation_hint`` returns a key of the conversation that a call belongs to: the id that
    the client gave it, else a hash of the user's first text.  It is the same for every turn, and
    ``None`` where the body tells nothing.

    ``needs_translation`` returns whether a body uses one of the aspects in which a model with such
    capabilities differs from the model that the request was written for.  A false alarm costs
    speed only.  What cannot be translated needs no translation.

    ``is_complete`` returns whether a body has all that a model with such capabilities demands of
    it; one that is not complete is decoded, completed and encoded again.

    ``calls_without_reasoning`` returns the ids of the tool calls in a body's history that came
    without reasoning; ``drops_reasoning`` says that clients leave it out without meaning to, for
    lack of a common field.

    ``requested_choices`` returns how many responses a call asks for; ``split_prompts`` returns a
    request for each prompt of a call that was decoded, in the order of the responses (``None``: a
    call has one prompt).

    ``native_only_error`` returns the error for a client whose request no other protocol can
    carry, ``None`` if it can be translated, or if that is only known after decoding.
    """

    required_modalities: RequiredModalities | None = None
    may_answer_with_files: bool = False
    drops_reasoning: bool = False
    conversation_hint: Callable[[Call], str | None] | None = None
    needs_translation: Callable[[bytes, Aspects, Capabilities], bool] | None = None
    is_complete: Callable[[bytes, Capabilities], bool] | None = None
    calls_without_reasoning: Callable[[bytes], tuple[str, ...]] | None = None
    requested_choices: Callable[[Call], RequestedChoices] | None = None
    split_prompts: Callable[[Call, Request], Sequence[Request]] | None = None
    native_only_error: Callable[[Call], InvalidRequestError | None] | None = None
    framing: StreamFraming | None = None
    stored_responses: StoredResponses | None = None

    @property
    def is_conversation(self) -> bool:
        """Whether requests are turns of conversations, not of one purpose."""
        return self.required_modalities is None
