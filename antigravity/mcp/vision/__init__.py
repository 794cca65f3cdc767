"""Tools that look at images and videos, with whatever model can see."""
