"""The sources that follow coding agents other than OpenCode."""
