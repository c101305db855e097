"""The model of two variables: a decoder's norm, and how messy is what it reads."""
