"""The model of two variables: the norm of a decoder, and the messiness of what it
reads.
"""
