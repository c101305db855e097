"""How to train, said before anything is trained."""
