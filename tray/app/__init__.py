"""The application: builds the parts, and carries events and commands between them."""
