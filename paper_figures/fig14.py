"""In which phase of learning a network ends: learning rate of the decoder against
initial scale of the embeddings.

|D| = 45, budget 1e5; the initial embeddings are uniform in [-s/2, s/2]. (a) Regression.
(b) Classification. Phases, majorities and bars as in figure 6, 3 seeds a cell. The
paper claims that smaller initial scales are better. It publishes the range of the
learning rate; the scales are ours.
"""

from __future__ import annotations

from paper_figures.phases import QUICK as QUICK
from paper_figures.phases import draw as draw
from paper_figures.phases import of_planes

TITLE = "phase diagrams: initial scale of the embeddings"
runs, tables = of_planes("init_scale", "init_scale_ce")
