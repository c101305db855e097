"""Runs of the store as logs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from analysis.logs.log import Log
from analysis.runs.rows import called
from analysis.runs.store import RunStore
from neural import family_of
from neural.families.external import ExternalConfig


def logs_of(store: RunStore, configs: Sequence[Any], metrics: tuple[str, str] | None = None) -> Iterator[Log]:
    """The logs of finished runs, of any families, in this order.

    Their first two metrics are the accuracies, whatever the family calls them; other
    curves keep their names. A run has memorised and generalised where its family says
    that it learned the training set and the rest.

    Args:
        store: an open one.
        configs: the runs.
        metrics: the names of two others that are to be the accuracies, as
            ("train_accuracy_01", "test_accuracy_01").

    Raises:
        KeyError: a run is not in the store.
        LostTraces: its curves are not.
    """
    for config in configs:
        family = family_of(config)
        train, test = metrics or (family.METRICS[0].name, family.METRICS[1].name)
        found = {name: np.asarray(values, np.float64) for name, values in store.curves(config).items()}
        steps = found.pop("steps")
        curves = {"train_accuracy": found.pop(train), "test_accuracy": found.pop(test)}
        curves = {name: values for name, values in found.items() if values.ndim == 1} | curves
        yield Log(
            name=config.name if isinstance(config, ExternalConfig) else str(config.seed),
            steps=steps,
            curves={name: values for name, values in curves.items() if not np.isnan(values).all()},
            settings=_settings(config),
            source=config.file if isinstance(config, ExternalConfig) else str(store.path),
            memorised=_threshold(config, train),
            generalised=_threshold(config, test),
        )


def _threshold(config: Any, metric: str) -> float:
    """At which a metric counts: that of the plainest name, steps_to_test of
    steps_to_test_50 and steps_to_test.
    """
    [found] = [one for one in family_of(config).METRICS if one.name == metric]
    return found.crossings[min(found.crossings, key=len)]


def _settings(config: Any) -> dict[str, Any]:
    """The fields of a configuration, and the sizes that follow from them."""
    values = {one.name: getattr(config, one.name) for one in fields(config)}
    if isinstance(config, ExternalConfig):
        others = dict(word.split("=", 1) for word in values.pop("others").split())
        values = {name: _plain(text) for name, text in others.items()} | values
        values = {name: value for name, value in values.items() if name not in ("file", "name", "content")}
    else:
        n, of = config.n_train, config.n_samples
        values = {"family": called(family_of(config)), "n_train": n, "n_test": of - n, "fraction": n / of} | values
    return {name: value for name, value in values.items() if value is not None and value != ""}


def _plain(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
