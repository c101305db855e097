"""The transformer that learns addition modulo 53 behind figures 1, 21 and 22; 3 seeds.

What the paper does not publish is chosen as Nanda et al. have it: one layer, 128
dimensions, 4 heads, an MLP of 512, full batches, 40 % of all ordered pairs, one AdamW
for all weights (rate 1e-3, decay 1).
"""

from __future__ import annotations

from neural import ModularConfig
from paper_figures.scale import Scale

SEEDS = 3
BASE = ModularConfig(network="transformer", p=53, learning_rate=1e-3)


def runs(scale: Scale) -> list[ModularConfig]:
    return scale.runs(BASE, [], SEEDS)
