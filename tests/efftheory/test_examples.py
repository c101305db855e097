"""The examples in the docstrings are what comes out."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import efftheory as et

MODULES = ["efftheory"] + [
    f"efftheory.{module.name}" for module in pkgutil.iter_modules(et.__path__) if module.name != "__main__"
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, extraglobs={"et": et, **vars(module)}, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failed == 0


@pytest.mark.parametrize("name", ["efftheory", "efftheory.description", "efftheory.symbolic"])
def test_there_are_examples(name):
    """An empty list would prove nothing."""
    found = doctest.DocTestFinder().find(importlib.import_module(name))
    assert sum(len(test.examples) for test in found) >= 2
