"""An upstream for chat completions that masks personal data."""
