"""Sessions of OpenCodes that nobody tells of: read from their processes and files; what they do is inferred."""
