"""The types of settings that are quantities."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

#: In a file also text such as ``"10m"``.
Seconds = Annotated[float, Meta(ge=0, extra={"unit": "seconds"})]
#: In a file also text such as ``"100 MiB"``.
Bytes = Annotated[int, Meta(ge=0, extra={"unit": "bytes"})]
Port = Annotated[int, Meta(ge=0, le=65535)]
#: A part of something, from none to all of it.
Part = Annotated[float, Meta(ge=0, le=1)]
