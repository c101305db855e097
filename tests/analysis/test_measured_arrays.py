"""What the measures make of arrays as people have them: tensors are what their numbers
are, and nothing loses an imaginary part, a mask or its type without a word.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import efftheory as et
from analysis.measures.components import effective_dimension, projected, spreads
from analysis.measures.curves import count_slingshots, hjorth
from analysis.measures.rings import fourier_shares, gini, inverse_participation, ring_rqi
from analysis.measures.waves import cyclic, excluded, mean_cross_entropy, powers
from analysis.measures.weights import effective_sparsity, gradient_gap, largest_change

LINE, SQUARE, CUBE = (4,), (4, 4), (4, 4, 4)

# What takes one array of numbers, and the array's shape.
MEASURES: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "effective_dimension": (effective_dimension, SQUARE),
    "projected": (lambda x: projected(x, x), SQUARE),
    "fourier_shares": (fourier_shares, SQUARE),
    "ring_rqi": (ring_rqi, SQUARE),
    "inverse_participation": (inverse_participation, SQUARE),
    "excluded": (lambda x: excluded(x, cyclic(4), [1]), CUBE),
    "powers": (lambda x: powers(x, cyclic(4)), CUBE),
    "mean_cross_entropy": (lambda x: mean_cross_entropy(x, [0, 1, 2, 3]), SQUARE),
    "gini": (gini, LINE),
    "gradient_gap": (lambda x: gradient_gap(x, [0]), SQUARE),
    "effective_sparsity": (lambda x: effective_sparsity(x, x, x[0]), SQUARE),
    "hjorth": (hjorth, LINE),
    "count_slingshots": (lambda x: count_slingshots(x, x), LINE),
    "spreads": (lambda x: spreads([0, 0, 1, 1], [x]).to_numpy(), SQUARE),
    "largest_change": (lambda x: largest_change({"W": x}, {"W": x}), SQUARE),
}


@pytest.fixture(params=MEASURES)
def measure(request) -> tuple[Callable[[Any], Any], np.ndarray]:
    """A measure, and numbers in [0, 1) that bfloat16 has exactly."""
    function, shape = MEASURES[request.param]
    return function, np.random.default_rng(0).integers(0, 128, shape) / 128


def test_tensors_are_their_numbers(measure) -> None:
    """Also those that require a gradient, of any precision, and lists of them."""
    function, numbers = measure
    wanted = function(numbers)
    for kind in (torch.float64, torch.float32, torch.bfloat16):
        tensor = torch.tensor(numbers, dtype=kind, requires_grad=True)
        np.testing.assert_array_equal(function(tensor), wanted)
    np.testing.assert_array_equal(function(numbers.astype(np.float16)), wanted)
    if numbers.ndim > 1:
        rows = [torch.tensor(row, requires_grad=True) for row in numbers]
        np.testing.assert_array_equal(function(rows), wanted)


@pytest.mark.parametrize("spoilt", ["complex", "masked", "text", "dates"])
def test_nothing_is_lost_without_a_word(measure, spoilt: str) -> None:
    function, numbers = measure
    kinds = {
        "complex": numbers + 0j,
        "masked": np.ma.masked_array(numbers, numbers == numbers.max()),
        "text": numbers.astype(str),
        "dates": np.full(numbers.shape, np.datetime64("2020-01-01")),
    }
    with pytest.raises(et.ArgumentError, match=r"^Argument `\w+` must .*\.$") as caught:
        function(kinds[spoilt])
    assert "\n" not in str(caught.value)
    if spoilt == "masked":
        assert str(caught.value).endswith("but has masked entries.")
        function(np.ma.masked_array(numbers, False))


def test_numpys_whole_numbers_are_numbers() -> None:
    ten: Any = np.int64(10)
    assert count_slingshots([1.0, 99.0, 1.0], [1.0, 2.0, 3.0], ten) == 1
