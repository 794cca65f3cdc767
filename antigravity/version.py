"""The gateway's version and user agent."""

from typing import Final

VERSION: Final = "0.1.0"

#: Sent upstream as ``User-Agent``; the gateway never borrows another program's name.
USER_AGENT: Final = f"antigravity-gateway/{VERSION}"
