"""The strategy `auto`: what the frozen features say, and which steps of unfreezing are worth taking. No framework here."""
