"""Token counts of one exchange."""

from __future__ import annotations

from msgspec import Struct


class Usage(Struct, frozen=True):
    """Counts in tokens, with one meaning whatever the protocol.

    ``input_total`` includes ``cached`` (read from a prompt cache) and ``cache_write``;
    ``output`` includes ``reasoning``; ``tool_input`` is what hosted tools put into the
    prompt and is included in ``input_total``; ``searches`` counts hosted web searches.
    ``image_input`` and ``image_output`` are the images in them, ``audio_input`` and
    ``audio_output`` the sounds, where the upstream tells.
    Providers report usage several times in a stream: the last value wins, nothing is summed.
    """

    input_total: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    tool_input: int = 0
    searches: int = 0
    image_input: int = 0
    image_output: int = 0
    audio_input: int = 0
    audio_output: int = 0

    @property
    def input_uncached(self) -> int:
        """Input that was neither read from nor written to a cache."""
        return max(0, self.input_total - self.cached - self.cache_write)

    @property
    def output_visible(self) -> int:
        """Output without reasoning."""
        return max(0, self.output - self.reasoning)

    @property
    def total(self) -> int:
        """Input and output together."""
        return self.input_total + self.output
