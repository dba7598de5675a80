"""Qwen Code (measured with 0.15.10): what its hooks report."""
