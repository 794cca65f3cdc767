"""OpenAI's speech (``/v1/audio/speech``)."""
