"""Histories that other tools wrote, as evidence: the file's rows, what its columns are, the curves in them."""
