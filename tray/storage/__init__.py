"""Files that the program keeps on disk: token, endpoint, cache, settings, server records, audit log."""
