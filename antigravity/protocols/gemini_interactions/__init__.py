"""The Interactions API of Gemini."""
