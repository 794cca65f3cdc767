"""OpenAI's images: generations (``/v1/images/generations``) and edits (``…/edits``)."""
