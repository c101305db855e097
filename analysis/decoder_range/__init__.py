"""How far does the theory with a decoder hold?"""
