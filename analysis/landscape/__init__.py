"""Loss and accuracy of networks whose weights keep their norm."""
