"""How many samples determine a representation: of addition, and of groups."""
