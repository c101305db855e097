"""What will be a circle is there at the start: the embeddings of a transformer that
learns addition modulo 53, along the first two principal components of its last ones.

A row a seed (3), budget 1e4. Left the initial embeddings, right the last; colours are
places on the ring of the last ones, lines join its neighbours. In the title how far the
angles are from a ring: the share of all parallelograms modulo 53 that they close, which
is 0.009 for places at random.

The paper (appendix K) finds that initial embeddings already show structure there. A
plane that was chosen by looking at the last embeddings may show some of their order
only because the weights have not moved far.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.measures.rings import ring, ring_rqi
from analysis.paper.representations import film
from analysis.runs.store import RunStore
from paper_figures.scale import Scale
from paper_figures.transformer import QUICK as QUICK
from paper_figures.transformer import draw_ring
from paper_figures.transformer import runs as runs

TITLE = "initial embeddings along the final principal components, modular addition"


class Projected(NamedTuple):
    """Places (p, 2) of a seed's symbols at the start and at the end, along the
    principal components of the end.
    """

    start: NDArray[np.float64]
    end: NDArray[np.float64]


def tables(store: RunStore, scale: Scale) -> dict[str, Any]:
    films = {config.seed: film(store, config) for config in runs(scale)}
    return {"seeds": {seed: Projected(frames[0].places, frames[-1].places) for seed, frames in films.items()}}


def draw(seeds: dict[int, Projected]) -> Figure:
    figure = Figure(figsize=(8, 3.4 * len(seeds)))
    panels: Any = figure.subplots(len(seeds), 2, squeeze=False)
    for pair, (seed, places) in zip(panels, seeds.items(), strict=True):
        for axes, (when, here) in zip(pair, places._asdict().items(), strict=True):
            draw_ring(axes, here, ring(places.end))
            axes.set_title(f"seed {seed}, {when}: {ring_rqi(here):.3f} closed", loc="left")
            axes.set(xlabel="first component of the last", ylabel="second")
    return figure
