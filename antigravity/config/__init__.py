"""Settings: typed, documented, validated as a whole, swapped as a whole."""
