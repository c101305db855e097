"""What does it look like? The paper's figures, theory beside experiment: python -m
paper_figures.

A figure is a module figN with `TITLE`, `runs(scale)` (what must have been trained),
`tables(store, scale)` (what is drawn, by name, all of it computed) and
`draw(**tables)`; its docstring is the caption. `Scale` says how much is trained.
"""

import sys

if sys.argv[:1] == ["-m"]:  # while Python looks for a command
    import analysis as analysis  # whose commands all begin in one way, before the rest, which takes a while
