"""Where the user looks and acts. Each surface shows a plain value (a view) and turns clicks into commands."""
