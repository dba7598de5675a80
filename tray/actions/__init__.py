"""What a person can do: each returns what was done, in one line."""
