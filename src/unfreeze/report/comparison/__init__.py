"""Several runs in, what differs between them out: in plan, curves, scores and time."""
