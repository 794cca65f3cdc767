"""Token counts of one exchange."""

from __future__ import annotations

from msgspec import Struct


class Usage(Struct, frozen=True):
    """Counts in tokens, with the same meaning for all protocols.

    ``input_total`` includes ``cached`` (read from a prompt cache), ``cache_write`` and
    ``tool_input``, which hosted tools add to the prompt.  ``cache_write`` includes
    ``cache_write_1h``, which is kept for an hour.  ``output`` includes ``reasoning``.
    ``searches`` counts hosted web searches.  ``image_input``, ``image_output``, ``audio_input`` and
    ``audio_output`` are the parts for images and audio, if the upstream reports them.
    Providers report usage several times in a stream: the last value counts, nothing is summed.
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
    cache_write_1h: int = 0

    def __add__(self, other: Usage) -> Usage:
        """Return the sum of all fields: the usage of two responses."""
        names = self.__struct_fields__
        return Usage(**{name: getattr(self, name) + getattr(other, name) for name in names})

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
