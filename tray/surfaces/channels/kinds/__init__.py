"""One module for each kind of channel. Each defines `CHANNEL`, a `tray.surfaces.channels.channel.ChannelKind`."""
