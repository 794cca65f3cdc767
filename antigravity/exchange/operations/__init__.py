"""Operations besides generation: counts, embeddings, stored responses, models and warm-ups."""
