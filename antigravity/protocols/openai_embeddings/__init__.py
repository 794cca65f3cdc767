"""OpenAI's embeddings: server and client side."""
