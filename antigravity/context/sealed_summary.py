"""Summaries of conversations that clients store for the gateway, sealed.

The gateway keeps nothing: the text that a client gets is encrypted and authenticated with a key
that only the processes of this gateway have.  It does not expire.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec
from msgspec import Struct

from antigravity.ir.request import Message

#: The beginning of sealed summaries.  ``ir.signature`` finds it in bodies, as it finds signatures.
PREFIX: Final = "ag1.compaction."
#: The bytes of a key.
KEY_SIZE: Final = 32
#: The largest number of bytes of a summary with its messages, before it is encrypted.
LONGEST: Final = 1024 * 1024

_VERSION: Final = b"\x01"
_NONCE: Final = 12
_LONGEST_TEXT: Final = len(PREFIX) + 2 * LONGEST


class SummaryError(ValueError):
    """A summary cannot be sealed or opened; the text says why."""


class Summary(Struct, frozen=True):
    """What stands for the beginning of a conversation.

    :ivar text: the summary.
    :ivar model: the model that wrote it; ``time``: when, in seconds since the epoch.
    :ivar kept: messages that the summary does not cover: instructions of the developer, and the
        last part of the conversation.
    :ivar covers_users: whether it stands for the messages of users before it, too.
    """

    text: str
    model: str = ""
    time: int = 0
    kept: tuple[Message, ...] = ()
    covers_users: bool = False


_DECODER: Final = msgspec.json.Decoder(Summary)


class SummarySealer:
    """Seals summaries with the key that ``key`` returns, which is asked for once, on first use.

    :ivar shared_key: a key that other gateways have as well; if there is one, it seals, and either
        key opens.
    """

    def __init__(self, key: Callable[[], bytes]) -> None:
        self._find_key = key
        self._found: bytes | None = None
        self.shared_key: bytes | None = None

    def seal(self, summary: Summary) -> str:
        """Return a summary as text for a client.

        :raises SummaryError: if it is too large.
        """
        plain = msgspec.json.encode(summary)
        if len(plain) > LONGEST:
            raise SummaryError(f"it has {len(plain)} bytes, and at most {LONGEST} are allowed")
        nonce = os.urandom(_NONCE)
        sealed = _VERSION + nonce + self._encrypt(nonce, plain)
        return PREFIX + base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def open(self, text: str) -> Summary:
        """Return the summary in a text that a client sent back.

        :raises SummaryError: if this gateway has not sealed it, or it was changed.
        """
        sealed = _decode(text)
        try:
            return _DECODER.decode(self._decrypt(sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise SummaryError("another version of the gateway made it") from error

    def _key(self) -> bytes:
        if self._found is None:
            self._found = self._find_key()
        return self._found

    def _encrypt(self, nonce: bytes, plain: bytes) -> bytes:
        # Imported on first use: most gateways never need it.
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

        key = self.shared_key or self._key()
        return ChaCha20Poly1305(key).encrypt(nonce, plain, PREFIX.encode() + _VERSION)

    def _decrypt(self, nonce: bytes, sealed: bytes) -> bytes:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

        context = PREFIX.encode() + _VERSION
        if self.shared_key is not None:
            with suppress(InvalidTag):
                return ChaCha20Poly1305(self.shared_key).decrypt(nonce, sealed, context)
        try:
            return ChaCha20Poly1305(self._key()).decrypt(nonce, sealed, context)
        except InvalidTag as error:
            raise SummaryError("it was changed, or another gateway made it") from error


def _decode(text: str) -> bytes:
    """Return the bytes of a text that begins as sealed summaries do.

    :raises SummaryError: if it is no such text.
    """
    if not text.startswith(PREFIX) or len(text) > _LONGEST_TEXT:
        raise SummaryError("it is not a summary of this gateway")
    value = text[len(PREFIX) :]
    try:
        sealed = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise SummaryError("it is incomplete") from error
    if sealed[:1] != _VERSION or len(sealed) <= 1 + _NONCE:
        raise SummaryError("another version of the gateway made it")
    # The last character of Base64 has unused bits, which nothing else protects.
    if base64.urlsafe_b64encode(sealed).decode().rstrip("=") != value:
        raise SummaryError("it was changed, or another gateway made it")
    return sealed
