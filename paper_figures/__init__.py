"""What does it look like? The paper's figures, theory beside experiment: python -m paper_figures.

A figure is a module with `TITLE`, `runs(seeds)` (what must have been trained), `tables(store, seeds)` (what is drawn,
computed in analysis) and `draw(tables)`; its docstring is the caption.
"""
