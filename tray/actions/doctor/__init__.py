"""Checks of the installation: for each finding one line, and one line that mends it."""
