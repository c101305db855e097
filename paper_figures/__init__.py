"""What does it look like? The paper's figures, theory beside experiment: python -m paper_figures.

A figure is a module with `TITLE`, `runs(seeds)` (what must have been trained) and `draw(store, seeds)`; its docstring
is the caption.
"""
