"""A run in, pictures and one self-contained page out."""
