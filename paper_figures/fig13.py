"""In which phase of learning a network ends: learning rate of the decoder against batch
size; |D| = 45, budget 1e5.

(a) Regression. (b) Classification. Batches are drawn anew each epoch; 45 is all of the
training set, the last batch of an epoch may be smaller than the others. Phases,
majorities and bars as in figure 6, 3 seeds a cell. The paper claims that small learning
rates with large batches lead to comprehension, and small batches to grokking. It
publishes the range of the learning rate; the batch sizes are ours.
"""

from __future__ import annotations

from paper_figures.phases import QUICK as QUICK
from paper_figures.phases import draw as draw
from paper_figures.phases import of_planes

TITLE = "phase diagrams: batch size"
runs, tables = of_planes("batch_size", "batch_size_ce")
