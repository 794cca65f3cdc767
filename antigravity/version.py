"""The gateway's version, user agent and documentation."""

from pathlib import Path
from typing import Final

VERSION: Final = "0.1.0"

#: The built pages of the documentation; ``make docs`` and ``make wheel`` make them.
DOCUMENTATION: Final = Path(__file__).with_name("documentation")

#: Sent upstream as ``User-Agent``; the gateway never borrows another program's name.
USER_AGENT: Final = f"antigravity-gateway/{VERSION}"
