"""Where facts come from: each module turns one outside world into core events, and carries answers back."""
