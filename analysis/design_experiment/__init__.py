"""The causal test of the theory: training sets designed for their speed."""
