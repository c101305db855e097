"""Threads side by side: the kernels release Python's lock. No result depends on how
many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from numba import config

T = TypeVar("T")


def threaded(work: Callable[..., T], *arguments: Iterable[Any]) -> list[T]:
    """[work(*each) for each in zip(*arguments)], on as many threads as numba is set to
    use (NUMBA_NUM_THREADS).
    """
    with ThreadPoolExecutor(config.NUMBA_NUM_THREADS) as threads:  # pyright: ignore
        return list(threads.map(work, *arguments))
