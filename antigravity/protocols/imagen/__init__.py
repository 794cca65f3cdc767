"""Google's ``predict`` for images, the method of Imagen models: one prompt, no streams."""
