"""What is kept on disk: token, cache."""
