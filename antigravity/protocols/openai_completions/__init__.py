"""OpenAI's legacy completions: how to serve them.  Nobody asks an upstream like this any more."""
