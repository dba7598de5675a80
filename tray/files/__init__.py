"""Files that other programs may change, or that hold secrets: reading and writing them."""
