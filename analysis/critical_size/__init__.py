"""The size law: how many samples make the linear representation unique, as p grows."""
