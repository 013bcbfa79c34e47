"""The frameworks, one folder each, with the same file names."""
