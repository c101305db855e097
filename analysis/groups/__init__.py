"""Groups: how many samples pin a representation by matrices down."""
