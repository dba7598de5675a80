"""Read and interpret the files of coding agents other than OpenCode. Never writes to them."""
