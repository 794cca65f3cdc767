"""Google Code Assist: Gemini in an envelope, with the operator's own OAuth client."""
