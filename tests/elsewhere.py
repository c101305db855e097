"""The suite as other machines would run it: `make elsewhere`, or python -m
tests.elsewhere NAME ...

Libraries choose their code by the processor, and round by it; here they are told of a
lesser one. A test that fails in one of these depends on one machine's rounding, or on
its number of cores, and fails on somebody's machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence

EMULATIONS: dict[str, dict[str, str]] = {
    "haswell": {"OPENBLAS_CORETYPE": "Haswell"},  # LAPACK and matrix products of numpy and scipy
    "zen": {"OPENBLAS_CORETYPE": "Zen"},
    "nehalem": {"OPENBLAS_CORETYPE": "Nehalem"},
    "torch-avx2": {"ATEN_CPU_CAPABILITY": "avx2"},  # torch's own kernels, and what it compiles
    "torch-default": {"ATEN_CPU_CAPABILITY": "default"},
    "mkl-avx2": {"MKL_ENABLE_INSTRUCTIONS": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2"},  # torch's matrix products
    "numba-generic": {"NUMBA_CPU_NAME": "generic"},  # the theory's kernels
    "one-core": {},
}
SUITE = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]


def is_green(name: str) -> bool:
    cores = os.sched_getaffinity(0)
    visible = {min(cores)} if name == "one-core" else cores
    done = subprocess.run(
        SUITE, env=os.environ | EMULATIONS[name], preexec_fn=lambda: os.sched_setaffinity(0, visible), check=False
    )
    return done.returncode == 0


def main(names: Sequence[str]) -> int:
    unknown = [name for name in names if name not in EMULATIONS]
    if unknown:
        print(f"error: an emulation must be one of {', '.join(EMULATIONS)}, but is {unknown[0]!r}.", file=sys.stderr)
        return 2
    verdicts = []
    for number, name in enumerate(names or EMULATIONS, 1):
        print(
            f"\n{name} ({number} of {len(names or EMULATIONS)}): {EMULATIONS[name] or 'one visible core'}", flush=True
        )
        begin = time.monotonic()
        verdict = "green" if is_green(name) else "RED"
        verdicts.append(f"{name:14s} {verdict:6s} {time.monotonic() - begin:5.0f} s")
    print("", *verdicts, sep="\n")
    return 1 if any("RED" in verdict for verdict in verdicts) else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
