"""The sources: each reports events of OpenCode sessions, and some send the user's answers back."""
