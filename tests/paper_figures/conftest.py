"""Every figure from runs of a second, which are trained when they are first asked
for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from analysis.experiments import EXPERIMENTS
from analysis.report.look import LOOK
from analysis.runs.plan import Axis, parse_axis
from analysis.runs.store import RunStore
from neural import family_of, train_runs
from neural.config import shape
from paper_figures import fig4, fig5
from paper_figures.__main__ import FIGURES
from paper_figures.scale import Scale

NETWORKS: dict[str, dict[str, Any]] = {
    "toy": {"width": 8},
    "modular": {"p": 7, "d": 8, "heads": 2, "mlp": 8, "look_every": 10},
    "teacher": {"n_train": 20, "n_test": 10, "width": 8, "look_every": 10},
    "digits": {"data": "small", "n_train": 60, "n_test": 40, "width": 12, "batch_size": 20, "look_every": 10},
    "reviews": {
        **{"n_train": 20, "n_test": 10, "words": 30, "length": 4, "embedding": 4, "width": 4},
        **{"batch_size": 10, "look_every": 10},
    },
    "molecules": {"n_train": 8, "n_test": 6, "batch_size": 4, "look_every": 10},
}


@dataclass(frozen=True)
class Tiny(Scale):
    """Networks with other fields, by family, and fewer samples than there are
    digits.
    """

    networks: dict[str, dict[str, Any]] = field(default_factory=dict)

    def run(self, config: Any) -> Any:
        name = family_of(config).name
        return replace(config, **self.networks.get(name, NETWORKS[name]), budget=self.budget or config.budget)

    def axis(self, axis: Axis) -> Axis:
        thinned = super().axis(axis)
        if axis.field != "n_train" or max(axis.values) < 100:
            return thinned
        return replace(thinned, values=tuple(range(20, 20 * len(thinned.values) + 1, 20)))


_RING = {"p": 7, "d": 16, "heads": 2, "mlp": 16, "fraction": 0.7, "learning_rate": 1e-2, "look_every": 5}
_PLANE = {"p": 5, "width": 12, "look_every": 10, "checkpoints": 1}
SCALES: dict[str, Scale] = {
    **dict.fromkeys(("fig3", "fig4", "fig5", "fig9", "fig10", "fig11", "fig12"), Tiny(seeds=2, points=2, budget=40)),
    **dict.fromkeys(("fig6", "fig13", "fig14", "fig15"), Tiny(seeds=1, points=2, budget=40)),
    **dict.fromkeys(("fig16", "fig17", "fig18"), Tiny(seeds=3, points=3, budget=40)),
    **dict.fromkeys(("fig1", "fig21", "fig22"), Tiny(seeds=2, budget=300, networks={"modular": _RING})),
    "fig2": Tiny(seeds=2, budget=40, networks={"modular": _PLANE}),
    **dict.fromkeys(("fig7", "fig8", "fig20"), Tiny(seeds=2, points=2, budget=40, small=True)),
    "fig19": Scale(seeds=2),
    **{name: Tiny(seeds=2, points=3, budget=20, small=True) for name in FIGURES if name.startswith("omnigrok")},
}


class Drawn:
    """Figures by name: their runs, tables and pictures."""

    def __init__(self, store: RunStore) -> None:
        self.store = store
        self.tables = cache(self._tables)

    def runs(self, name: str) -> list[Any]:
        return FIGURES[name].runs(SCALES[name])

    def _tables(self, name: str) -> dict[str, Any]:
        missing = sorted(self.store.missing(self.runs(name)), key=lambda run: (type(run).__name__, repr(shape(run))))
        for history in train_runs(missing, device="cpu", lanes=32, compiled=False):
            self.store.add(history, "cpu", "test")
        return FIGURES[name].tables(self.store, SCALES[name])

    def picture(self, name: str) -> Figure:
        with mpl.rc_context(LOOK):
            return FIGURES[name].draw(**self.tables(name))


@pytest.fixture(scope="package")  # what it makes smaller is as it was for the tests of other folders
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drawn]:
    with pytest.MonkeyPatch.context() as patch, RunStore(tmp_path_factory.mktemp("store") / "runs.sqlite") as store:
        patch.setattr(fig4, "DRAWS", 200)
        patch.setattr(fig5, "SETS", 3)
        for name, family in (("transformer", "modular"), ("digits", "digits")):
            runs, shells = EXPERIMENTS["norm_law"][name], EXPERIMENTS["shells"][name]
            tiny, few = NETWORKS[family], (parse_axis(type(shells.base), "x", "init_scale=0.5:2:3:log"),)
            patch.setitem(EXPERIMENTS["norm_law"], name, replace(runs, base=replace(runs.base, **tiny)))
            held = replace(shells.base, **tiny, budget=20)
            patch.setitem(EXPERIMENTS["shells"], name, replace(shells, base=held, axes=few))
        yield Drawn(store)
