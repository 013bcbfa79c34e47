"""One file per tool that unfreeze is compared with, each written as that tool's own documentation writes it."""
