"""In which phase of learning a network ends: learning rate of the decoder against
weight decay of the embeddings.

|D| = 45, budget 1e5. (a) Regression. (b) Classification. Phases, majorities and bars as
in figure 6, 3 seeds a cell. The paper claims that the weight decay of the embeddings
has little effect. It publishes the range of the learning rate; the weight decays are
ours.
"""

from __future__ import annotations

from paper_figures.phases import QUICK as QUICK
from paper_figures.phases import draw as draw
from paper_figures.phases import of_planes

TITLE = "phase diagrams: weight decay of the embeddings"
runs, tables = of_planes("repr_weight_decay", "repr_weight_decay_ce")
