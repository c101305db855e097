"""In which phase of learning a network ends (table 1), |D| = 45 of 55 samples, S3: 24
of 36; budget 1e5.

(a) Learning rates of embeddings and decoder, regression. (b) Learning rate and weight
decay of the decoder, regression. (c) The same, classification. (d) The same, regression
on the group S3, whose weight decays are drawn in rows and not to scale. A cell is what
was measured there, never smoothed: the phase of more than half of its 3 seeds,
undecided (?) where there is none; where they disagree, a bar of all and, if there is
room, the majority's share. The paper has one seed a cell.

Learned: train accuracy at least 0.9 within the budget. Comprehension: test accuracy at
least 0.9 less than 1000 steps later; grokking: later than that; memorisation: learned,
and no such test accuracy; confusion: neither. "Test only", which the table leaves open:
test accuracy 0.9 without train accuracy 0.9.
"""

from __future__ import annotations

from paper_figures.phases import QUICK as QUICK
from paper_figures.phases import draw as draw
from paper_figures.phases import of_planes

TITLE = "phase diagrams: learning rates, weight decay of the decoder, S3"
runs, tables = of_planes("lr_lr", "regression", "classification", "s3")
