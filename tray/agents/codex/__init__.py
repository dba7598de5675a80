"""Codex (measured with 0.171.0): its folder, the transcripts of its threads, and the protocol of its daemon."""
