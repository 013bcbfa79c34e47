"""What a folder of pictures is like before anything is trained: a dataset → findings, one file per kind."""
