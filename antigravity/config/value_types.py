"""Annotated types of settings: quantities, keys, headers."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from antigravity.config.secret import Secret

#: A file can also have text such as ``"10m"``.
Seconds = Annotated[float, Meta(ge=0, extra={"unit": "seconds"})]
#: The duration of a lock, from a second to a year.
LockSeconds = Annotated[float, Meta(ge=1, le=366 * 86400.0, extra={"unit": "seconds"})]
#: How long a task is kept, from a second to a week.
TaskSeconds = Annotated[float, Meta(ge=1, le=7 * 86400.0, extra={"unit": "seconds"})]
#: A file can also have text such as ``"100 MiB"``.
Bytes = Annotated[int, Meta(ge=0, extra={"unit": "bytes"})]
Port = Annotated[int, Meta(ge=0, le=65535)]
#: Text that is cleaned like a key but is not secret.
KeyText = Annotated[str, Meta(extra={"unit": "key"})]
#: The value of a header; secret, and not secret.
HeaderSecret = Annotated[Secret, Meta(extra={"unit": "header"})]
HeaderText = Annotated[str, Meta(extra={"unit": "header"})]
#: Any text, such as the value of an environment variable.
TextSecret = Annotated[Secret, Meta(extra={"unit": "text"})]
#: A number from 0 to 1.
Fraction = Annotated[float, Meta(ge=0, le=1)]
