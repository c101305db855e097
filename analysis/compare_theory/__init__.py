"""Theory and networks on the very same training sets: how well do they agree?"""
