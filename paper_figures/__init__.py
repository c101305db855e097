"""What does it look like? The paper's figures, theory beside experiment: python -m
paper_figures.

A figure is a module figN with `TITLE`, `SEEDS` (how many a point by default),
`runs(scale)` (what must have been trained), `tables(store, scale)` (what is drawn, all
of it computed) and `draw(tables)`; its docstring is the caption. `Scale` says how much
is trained.
"""

from efftheory import _start as _start  # before the rest, which takes a while
