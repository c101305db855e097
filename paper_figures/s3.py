"""The runs on the group S3 (appendix H) behind figures 16 to 18.

The paper does not publish its training-set sizes. The penalty 1e-3 mean |E| is in its
code, not in its text.
"""

from __future__ import annotations

from dataclasses import replace

from analysis.experiments import EXPERIMENTS
from paper_figures.scale import Scale, part, runs_of

QUICK = Scale(seeds=5)
BASE = replace(EXPERIMENTS["phase_diagram"]["s3"].base, budget=10_000)
RUNS = part(BASE, "n_train=3,6,9,12,15,18,21,24,27,30,33,35", seeds=11)  # of 36 samples
runs = runs_of(RUNS)
