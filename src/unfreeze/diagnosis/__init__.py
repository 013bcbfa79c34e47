"""History in, findings in words out: one file per finding."""
