"""How large is the gallery of 1,000 runs, and how soon does a browser paint it?

    python -m benchmarks.bench_gallery

Trains 1,000 narrow networks first, a minute or two. The first paint is what chromium,
headless, says of itself, the worst of five loads. Exit status 1 if a bar is missed.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from analysis.gallery.__main__ import gallery
from analysis.predictors.catalogue import CATALOGUE, predict
from analysis.runs.phases import Thresholds
from analysis.runs.plan import Axis, grid
from analysis.runs.store import RunStore
from neural import RunConfig, train_runs
from tests.browser import browser

MEGABYTES_BAR, SECONDS_BAR = 5, 2
RATES = (1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 2e-2, 3e-2, 5e-2, 1e-1)
# Painted when the script at the page's end has drawn it.
PAINTED = "return performance.getEntriesByType('paint').map((one) => [one.name, one.startTime])"
DRAWN = "return performance.timing.loadEventEnd - performance.timing.navigationStart"


def main() -> int:
    axes = [Axis("repr_lr", RATES), Axis("decoder_lr", RATES)]
    configs = grid(RunConfig(p=6, n_train=15, width=8, budget=2_000), axes, 10)  # 41 checkpoints each
    with tempfile.TemporaryDirectory() as name, browser(Path(name) / "profile") as driver:
        with RunStore(Path(name) / "runs.sqlite") as store:
            for history in train_runs(configs, device="cpu", lanes=64, compiled=False):
                store.add(history, "cpu", "benchmark")
            predict(store, store.table(configs), [CATALOGUE[name] for name in ("exact_flow", "optimizer_flow")])
            begin = time.perf_counter()
            page = gallery(store, Thresholds(), 10_000, 2_000, 6)
            made = time.perf_counter() - begin
        path = Path(name) / "gallery.html"
        path.write_text(page)
        megabytes, slowest = path.stat().st_size / 1e6, 0.0
        for _ in range(5):
            driver.get(path.as_uri())
            drawn = driver.execute_script(DRAWN) / 1e3
            paints = driver.execute_script(PAINTED)
            slowest = max([slowest, drawn, *(at / 1e3 for _, at in paints)])
    print(
        f"{len(configs):,} runs: made in {made:.1f} s, {megabytes:.2f} MB, drawn and painted {slowest:.2f} s after the "
        f"address (worst of 5; bars {MEGABYTES_BAR} MB, {SECONDS_BAR} s)"
    )
    return int(megabytes > MEGABYTES_BAR or slowest > SECONDS_BAR)


if __name__ == "__main__":
    sys.exit(main())
