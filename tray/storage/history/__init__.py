"""The history: one SQLite database, written by one thread and read with connections of their own."""
