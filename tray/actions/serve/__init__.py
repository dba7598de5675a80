"""OpenCode's servers: started, listed, prompted and stopped, with or without a tray."""
