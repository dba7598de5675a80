"""Gemini CLI (measured with 0.61.0): what its hooks report. They cannot answer its requests."""
