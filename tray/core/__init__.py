"""The state of all sessions and the rules that change it. Pure: no I/O, clock, threads, randomness or logging."""
