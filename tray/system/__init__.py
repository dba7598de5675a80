"""One difference between operating systems each."""
