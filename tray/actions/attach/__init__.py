"""Taking a person to a session: the ladder of ways, each a small module of its own."""
