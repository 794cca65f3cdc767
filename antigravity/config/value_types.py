"""The types of settings that need more than a type of Python: quantities, keys, headers."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from antigravity.config.secret import Secret

#: In a file also text such as ``"10m"``.
Seconds = Annotated[float, Meta(ge=0, extra={"unit": "seconds"})]
#: How long something may be locked: from a second to a year.
LockSeconds = Annotated[float, Meta(ge=1, le=366 * 86400.0, extra={"unit": "seconds"})]
#: In a file also text such as ``"100 MiB"``.
Bytes = Annotated[int, Meta(ge=0, extra={"unit": "bytes"})]
Port = Annotated[int, Meta(ge=0, le=65535)]
#: Text that is pasted as keys are, but may be seen.
KeyText = Annotated[str, Meta(extra={"unit": "key"})]
#: The value of a header, by its name; and one that may be seen.
HeaderSecret = Annotated[Secret, Meta(extra={"unit": "header"})]
HeaderText = Annotated[str, Meta(extra={"unit": "header"})]
#: Any text, such as the value of an environment variable.
TextSecret = Annotated[Secret, Meta(extra={"unit": "text"})]
#: A part of something, from none to all of it.
Fraction = Annotated[float, Meta(ge=0, le=1)]
