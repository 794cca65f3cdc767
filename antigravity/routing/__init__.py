"""From a model's name to the upstreams that can serve it, and what the model can do."""
