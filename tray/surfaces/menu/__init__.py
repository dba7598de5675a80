"""What the tray shows (icon, tooltip, menu) as plain values. Imports no GUI toolkit."""
