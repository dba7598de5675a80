"""Copilot CLI (measured with 1.0.102): its open sessions, and the events that it writes for each."""
