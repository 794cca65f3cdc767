"""Tools that look at pictures and films, with whatever model can see."""
