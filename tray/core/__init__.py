"""What is true. Pure: no I/O, clock, thread, randomness or logging; time and ids come in as arguments."""
