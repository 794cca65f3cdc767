"""OpenAI's images: drawn from words (``/v1/images/generations``) and from others (``…/edits``)."""
