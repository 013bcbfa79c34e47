"""What goes between the frameworks: a network's operations as data, and calls into a process that loads the other framework."""
