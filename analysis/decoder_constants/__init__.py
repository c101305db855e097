"""The constants of the theory with a decoder, held against weights."""
