"""A few trials of a recipe's values: which are searched, for how long, and what is tried next. No training in here."""
