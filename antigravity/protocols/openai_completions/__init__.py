"""OpenAI's legacy completions; only their server side, as no upstream needs them."""
