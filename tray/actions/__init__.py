"""Execute the user's commands. Each returns a CommandResult with one line for the user."""
