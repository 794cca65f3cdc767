"""What ``twistd`` can start: names only."""

import antigravity_precedence

antigravity_precedence.install()

from twisted.application.service import ServiceMaker  # noqa: E402

antigravity = ServiceMaker(
    "antigravity",
    "antigravity.tap",
    "One local gateway between every LLM client and every LLM provider.",
    "antigravity",
)

simulator = ServiceMaker(
    "antigravity simulator",
    "antigravity.simulator.tap",
    "A scripted model that speaks every upstream protocol.",
    "antigravity-simulator",
)
