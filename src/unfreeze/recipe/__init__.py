"""What to do: recipes, plans, networks as data, strategies."""
