"""OpenAI's embeddings: how to serve them, and how to ask for them."""
