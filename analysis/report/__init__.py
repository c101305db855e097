"""How every command begins and ends, and what its pages and pictures have in common."""
