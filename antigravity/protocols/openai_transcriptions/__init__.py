"""OpenAI's transcripts (``/v1/audio/transcriptions``) and translations (``…/translations``)."""
