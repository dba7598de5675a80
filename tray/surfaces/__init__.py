"""Where people look: each module shows a view, a plain value, and turns clicks into choices."""
