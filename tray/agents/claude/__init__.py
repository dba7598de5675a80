"""Claude Code (measured with 2.1.332): its registry of running sessions, and their transcripts."""
