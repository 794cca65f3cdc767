"""What the exchange does besides generating: counts, embeddings, stored responses, warm-ups."""
