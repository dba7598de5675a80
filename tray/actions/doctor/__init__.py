"""Checks of the installation. Each finding has one line that describes it and one that says how to fix it."""
