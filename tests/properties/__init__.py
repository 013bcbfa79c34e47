"""What must hold of every input: properties, over what hypothesis thinks up. Nothing here is drawn anew from run to run."""
