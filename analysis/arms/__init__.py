"""One experiment under several treatments: what remedies, designs, interventions and
advice have in common.
"""
