"""Faults in large numbers: each family of them a module, run in the long form by `make soak`, in a short one by `make test`.

A family is a module with `def soak(count: int, seed: int, frameworks: Sequence[str]) -> Iterator[Row]`; see docs/soak.md.
"""
