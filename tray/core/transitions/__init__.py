"""The rules of one session: pure functions from a session and a report to the next session."""
