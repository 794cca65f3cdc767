"""Google's ``predict`` for images, as Imagen models are asked: one prompt, whole answers."""
