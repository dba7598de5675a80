"""Channels: services that bring alerts to where the user is, such as Telegram and e-mail, and take answers back."""
