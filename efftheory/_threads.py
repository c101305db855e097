"""How many processors there are for this process, and threads side by side: the kernels
release Python's lock. No result depends on how many there are.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from numba import config

T = TypeVar("T")


def usable_cores(root: Path = Path("/")) -> int:
    """Processors that this process may use: those that it may run on, and no more than
    its container grants, a part of one counted as one. At least 1.

    `root`: where the system's files are.
    """
    # macOS and Windows do not say on which a process may run
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(allowed, _quota(root))))


@cache  # asked anew for every product of a large matrix
def _quota(root: Path) -> float:
    return min(_quotas(root), default=math.inf)


def _quotas(root: Path) -> Iterator[float]:
    """Processor time per time, as Linux limits it for this process's control groups and
    for those above them.
    """
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":  # version 2
            mount, names = root / "sys/fs/cgroup", ["cpu.max"]
        elif "cpu" in controllers.split(","):  # version 1
            mount, names = root / "sys/fs/cgroup/cpu", ["cpu.cfs_quota_us", "cpu.cfs_period_us"]
        else:
            continue
        group = mount / path.lstrip("/")
        for folder in (group, *group.parents):
            words = " ".join(_text(folder / name) for name in names).split()
            if len(words) == 2 and words[0] not in ("max", "-1"):
                yield int(words[0]) / int(words[1])
            if folder == mount:
                break


def _text(file: Path) -> str:
    """What is in it; nothing where it is not there."""
    try:
        return file.read_text()
    except OSError:
        return ""


def threaded(work: Callable[..., T], *arguments: Iterable[Any]) -> list[T]:
    """[work(*each) for each in zip(*arguments)], on as many threads as there are
    processors, at most NUMBA_NUM_THREADS.
    """
    with ThreadPoolExecutor(min(usable_cores(), config.NUMBA_NUM_THREADS)) as threads:  # pyright: ignore
        return list(threads.map(work, *arguments))
