"""OpenAI's legacy completions: how to serve them.  Nothing is translated to them."""
