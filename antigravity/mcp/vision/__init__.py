"""Tools that analyse images and videos with a vision model."""
