"""Random calls of all that `import efftheory as et` offers: each returns a value, or
raises an ArgumentError of one line.

    python -m tests.fuzz                   20,000 calls, about half a minute
    python -m tests.fuzz --seed 1 --calls 5000
    python -m tests.fuzz --only 137        one of them, with its traceback

A call begins with arguments that fit one another; some are then taken away, or replaced
by what somebody might hand over by mistake. A value with a nan that its docstring does
not explain counts as a fault, and so does a warning. Records are made by the calls that
return them, and their methods are called as well. The same seed makes the same calls.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import decimal
import fractions
import inspect
import re
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import efftheory as et

GRAMMAR = re.compile(r"Argument `\w+` must .+, but .+\.")
CLASSES = {name for name in et.__all__ if inspect.isclass(getattr(et, name))}
RECORDS = CLASSES - {"Decoder"}  # what calls return, not what users make
NAMES = [name for name in et.__all__ if name not in RECORDS]
REPLACED, LEFT_OUT = 0.12, 0.25  # of the arguments; the latter of those that have a default

Rng = np.random.Generator
Make = Callable[[Rng, dict[str, Any]], Any]  # from the arguments that were made before


class Fault(NamedTuple):
    """A call that neither returned a value that can be used nor said what was wrong."""

    number: int
    call: str
    what: str


# Arguments that fit


def _table(rng: Rng, p: int) -> np.ndarray:
    return rng.integers(0, p, (p, p))


def _symmetric(rng: Rng, p: int) -> np.ndarray:
    table = _table(rng, p)
    return np.maximum(table, table.T)


OPERATIONS: tuple[Callable[[Rng], et.Operation], ...] = (
    lambda rng: et.addition(int(rng.integers(2, 8))),
    lambda rng: et.addition(int(rng.integers(3, 7))),
    lambda rng: et.modular_addition(int(rng.integers(2, 7)), int(rng.integers(1, 3))),
    lambda rng: et.symmetric_group(int(rng.integers(2, 4))),
    lambda rng: et.dihedral_group(3),
    lambda rng: et.from_table(_symmetric(rng, int(rng.integers(2, 6))), "sum"),
    lambda rng: et.from_table(_table(rng, int(rng.integers(2, 5))), "sum", tables=2),
    lambda rng: et.from_table(_table(rng, int(rng.integers(2, 5)))),
)
SIZES = (1.0, 1.0, 1.0, 1e-3, 1e3, 1e-80, 1e80, 1e-160, 1e160, 1e-320, 1e300)


def _operation(rng: Rng, _: dict[str, Any]) -> et.Operation:
    return OPERATIONS[rng.integers(len(OPERATIONS))](rng)


def _mask(rng: Rng, made: dict[str, Any]) -> Any:
    n = made["op"].n_samples
    share = rng.choice([0.0, 0.3, 0.6, 0.9, 1.0])
    return None if rng.random() < 0.2 else rng.random(n) < share


def _embedding(rng: Rng, made: dict[str, Any]) -> Any:
    op, d = made["op"], int(rng.integers(1, 4))
    shape = (op.n_symbols, d) if op.composition == "sum" else (op.n_symbols, d, d)
    kind = rng.integers(7)
    if kind == 0:
        E = np.full(shape, float(rng.normal()))
    elif kind == 1:
        E = rng.integers(-2, 3, shape)
    elif kind == 2:
        E = np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1)) * np.ones(shape)
    elif kind == 3:
        E = rng.normal(size=shape) * 10.0 ** rng.integers(-200, 200, shape)
    else:
        E = rng.normal(size=shape)
    if kind == 4:
        E[:, 0] = 1.0
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        E = E * rng.choice(SIZES)
    return E.tolist() if rng.random() < 0.1 else E


def _times(rng: Rng, _: dict[str, Any]) -> Any:
    choices = (
        np.linspace(0, 1, 4),
        np.cumsum(rng.random(5)),
        np.linspace(0, 1e6, 5),
        [0, 1e-320],
        [1e-300, 1e300],
        0.0,
        10.0 ** rng.integers(-300, 300),
        np.sort(10.0 ** rng.uniform(-5, 5, 4)),
    )
    return choices[rng.integers(len(choices))]


def _n_train(rng: Rng, made: dict[str, Any]) -> int:
    return int(rng.integers(0, made["op"].n_samples + 1))


def _targets(rng: Rng, made: dict[str, Any]) -> Any:
    decoder = made.get("decoder")
    outputs = decoder.n_outputs if isinstance(decoder, et.Decoder) else 30
    if rng.random() < 0.4:
        return None
    return rng.normal(size=(made["op"].n_results, outputs)) * rng.choice([1.0, 1.0, 0.0, 1e100, 1e-100])


def _decoder(rng: Rng, _: dict[str, Any]) -> Any:
    return et.Decoder(
        width=int(rng.integers(1, 12)),
        depth=int(rng.integers(1, 4)),
        activation=("tanh", "relu")[rng.integers(2)],
        n_outputs=int(rng.integers(1, 4)),
        loss=("mse", "mse", "ce")[rng.integers(3)],
        optimizer=("adamw", "sgd")[rng.integers(2)],
        weight_decay=float(rng.choice([0.0, 1.0, 100.0])),
        warmup=int(rng.choice([0, 10])),
    )


def _labels(rng: Rng, _: dict[str, Any]) -> Any:
    labels = rng.integers(0, 3, 6)
    return (labels, labels.tolist(), list("abcabc"), labels.astype(float))[rng.integers(4)]


def _features(rng: Rng, _: dict[str, Any]) -> Any:
    return rng.normal(size=(6, int(rng.integers(1, 4)))) * rng.choice(SIZES)


def _representation(_: Rng, made: dict[str, Any]) -> Any:
    op = made["op"]
    return None if op.composition == "sum" else np.ones((op.n_symbols, 1, 1), np.int64)


def one_of(*values: Any) -> Make:
    return lambda rng, _: values[rng.integers(len(values))]


def whole(low: int, high: int) -> Make:
    return lambda rng, _: int(rng.integers(low, high + 1))


def rate(low: int, high: int) -> Make:
    return lambda rng, _: float(10.0 ** rng.uniform(low, high))


VALID: dict[str, Make] = {
    "op": _operation,
    "decoder": _decoder,
    "mask": _mask,
    "E": _embedding,
    "E0": _embedding,
    "F": _features,
    "F0": _features,
    "labels": _labels,
    "targets": _targets,
    "times": _times,
    "representation": _representation,
    "p": whole(2, 9),
    "n": whole(2, 5),
    "tables": whole(1, 2),
    "table": lambda rng, _: _symmetric(rng, int(rng.integers(2, 6))),
    "composition": one_of("sum", "product"),
    "name": one_of("mine", ""),
    "names": one_of(None, ["a", "b"], ["a", "b", "c"]),
    "n_train": _n_train,
    "draws": whole(1, 5),
    "successes": whole(0, 5),
    "seed": lambda rng, _: int(rng.integers(5)) if rng.random() < 0.7 else np.random.default_rng(1),
    "delta": one_of(None, 0.1, 1.0, 1e-200, 1e200),
    "normalization": one_of("sum", "mean"),
    "k": lambda rng, made: int(rng.integers(1, made["op"].n_symbols + 1)),
    "method": one_of(None, "exact", "ode", "auto", "dense", "iterative"),
    "rtol": one_of(1e-10, 1e-3, 1e-300, 0.99),
    "max_steps": whole(1, 100),
    "threshold": one_of(0.95, 0.5, 0.0, 1e300),
    "learning_rate": rate(-6, 2),
    "repr_lr": rate(-6, 2),
    "decoder_lr": rate(-6, 2),
    "z0": rate(-10, 10),
    "weight_decay": one_of(0.0, 1e-2, 1e3),
    "repr_wd": one_of(0.0, 1e-2, 1e3),
    "repr_l1": one_of(0.0, 1e-2, 1e3),
    "optimizer": one_of("adam", "adamw", "sgd"),
    "repr_optimizer": one_of("adam", "adamw", "sgd"),
    "steps": one_of(0, 1, 2, 30),
    "batch_size": one_of(None, 1, 4, 10**6),
    "blocks": whole(1, 8),
    "d": whole(1, 3),
    "parallel": one_of(True, False),
    "init_scale": one_of(1.0, 1e-200, 1e200, 1e-3),
    "objective": one_of("lambda3", "generalizable", "slow"),
    "descents": whole(1, 3),
    "width": whole(1, 9),
    "depth": whole(1, 3),
    "activation": one_of("tanh", "relu"),
    "n_outputs": whole(1, 4),
    "loss": one_of("mse", "ce"),
    "warmup": whole(0, 9),
}
# made first, because others must fit them; and never left to their defaults, which take
# long
FIRST = ("op", "decoder")
FLOW = inspect.signature(et.memory_flow).parameters
GIVEN = {"decoder", "steps", "max_steps", "draws", "descents"}


# What somebody might hand over by mistake


class Strange:
    """Can be neither converted nor shown."""

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("no array")

    def __repr__(self) -> str:
        raise RuntimeError("no text")


class Tensor:
    """Must be detached before numpy takes it, as tensors that require a gradient."""

    def __init__(self, values: Any):
        self._values = np.asarray(values, dtype=np.float32)

    def detach(self) -> Tensor:
        return self

    def cpu(self) -> Any:
        return self._values


def _circular() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


def mistakes() -> list[Any]:
    """Made anew each time: some change as they are used."""
    return [
        *(None, True, False, np.True_, 0, 1, 2, 3, 7, -1, -(10**30), 10**30, 2**31, 2**63, 2**64, 10**400, 10**5000),
        *(0.0, -0.0, 0.5, 1.0, -1.0, 3.7, 1e-320, 1e-300, 1e300, 1e308, float("nan"), float("inf"), -float("inf")),
        *(1j, 1 + 0j, np.complex128(2), np.float16(0.5), np.float32(1e-3), np.int8(3), np.uint64(2**64 - 1)),
        *("", "x", "1", "sum", "1e-3", b"1", "\n", "0" * 500, np.str_("2"), "nan"),
        *([], [[]], (), {}, set(), {1: 2}, [None], [1, "a"], ["1", "2"], [[1], [2, 3]], [1, [2]], range(3)),
        *(object(), Ellipsis, len, int, slice(3), iter([1.0]), Strange(), _circular(), Tensor(1.0)),
        *(fractions.Fraction(1, 3), decimal.Decimal("0.1"), datetime.date(2020, 1, 1), np.longdouble(1)),
        *(np.zeros(0), np.zeros((0, 3)), np.zeros((2, 2, 2, 2)), np.array(3), np.array(2.5), np.float64(np.nan)),
        *(np.array("text"), np.array(["a", "b"]), np.array([1 + 2j, 3.0]), np.array([True, False])),
        *(np.zeros(3, dtype=[("x", float)]), np.array(["2020"], dtype="datetime64[D]"), np.array([None, 1.0])),
        *(np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False]), np.ma.masked, np.arange(3)[::-1]),
        *(np.array([10**30, 1]), np.array([[1.0, np.nan], [np.inf, 0.0]])),
        *(np.random.RandomState(0), np.random.SeedSequence(0), np.random.Generator(np.random.MT19937(0))),
        *(et.addition(3), et.symmetric_group(2), et.Decoder(), et.Estimate(0.5, (0.0, 1.0), 3)),
    ]


def mistake(rng: Rng) -> Any:
    found = mistakes()
    return found[rng.integers(len(found))]


def _spoiled(rng: Rng, value: Any) -> Any:
    """An array as it comes when something went wrong on the way."""
    array = np.array(value, dtype=object if value is None else None)
    with np.errstate(all="ignore"):
        ways: tuple[Callable[[], Any], ...] = (
            lambda: array.T,
            lambda: array[:-1],
            lambda: array[..., None],
            lambda: array.astype(complex) + 1j,
            lambda: array.astype(str),
            lambda: array.astype(object),
            lambda: array.astype(np.float16),
            lambda: array.astype(np.int64),
            lambda: np.ma.array(array, mask=rng.random(array.shape) < 0.3),
            lambda: np.where(rng.random(array.shape) < 0.3, np.nan, array),
            lambda: np.where(rng.random(array.shape) < 0.3, -np.inf, array),
            lambda: Tensor(array),
            lambda: np.asfortranarray(array),
            lambda: np.broadcast_to(array.ravel()[:1], array.shape),
            lambda: array.tolist(),
            lambda: np.zeros_like(array),
            lambda: -array,
        )
        try:
            return ways[rng.integers(len(ways))]()
        except (TypeError, ValueError, IndexError, OverflowError):
            return value


def arguments(name: str, rng: Rng) -> dict[str, Any]:
    """Of one call: made to fit, then some of them left out or replaced."""
    parameters = dict(inspect.signature(getattr(et, name)).parameters)
    if parameters.pop("options", None):  # the same as of this
        parameters |= {one: each for one, each in FLOW.items() if one not in parameters}
    made: dict[str, Any] = {}
    for one in sorted(parameters, key=lambda one: one not in FIRST):
        made[one] = VALID[one](rng, made)
    if name == "from_table" and rng.random() < 0.7:
        made["names"] = None
    for one, parameter in parameters.items():
        chance = rng.random()
        if chance < REPLACED:
            spoil = isinstance(made[one], np.ndarray | list) and rng.random() < 0.6
            made[one] = _spoiled(rng, made[one]) if spoil else mistake(rng)
        elif chance < LEFT_OUT and parameter.default is not parameter.empty and one not in GIVEN:
            del made[one]
    return made


# What came of it


def unexplained(result: Any, made: dict[str, Any]) -> Iterator[str]:
    """Where `result` is nan, and its docstring does not say why."""
    op = made.get("op")
    empty = isinstance(op, et.Operation) and et.count_parallelograms(op) == 0
    known: set[str] = {"rqi", "value"} if empty else set()
    if isinstance(result, et.Trajectory):
        known |= {"E", "loss", "z0", "z0_drift"} if not result.converged else set()
    if isinstance(result, et.LearningTrajectory):
        known |= {"loss"} if not result.z0.all() else set()
        known |= {"test_accuracy"} if made.get("mask") is None or np.all(made["mask"]) else set()
    if isinstance(op, et.Operation) and op.composition == "sum" and op.n_symbols <= op.full_nullity:
        known |= {"lambda3"}
    parts: dict[str, Any] = {"value": result}
    if dataclasses.is_dataclass(result):
        parts = {one.name: getattr(result, one.name) for one in dataclasses.fields(result)}
    for where, part in parts.items():
        for each in part if isinstance(part, tuple) else (part,):
            if where not in known and isinstance(each, np.ndarray | float) and np.isnan(each).any():
                yield f"nan in {where}"


def used(result: Any, rng: Rng) -> None:
    """Look at a value as its user would, and call its methods, with mistakes as
    well.
    """

    def argument(value: Any) -> Any:
        return value if rng.random() < 0.5 else mistake(rng)

    str(result)
    repr(result)
    if isinstance(result, et.Operation):
        for call in (
            lambda: result.random_training_set(argument(1), argument(0)),
            lambda: result.mask(argument(result.pairs[:2])),
        ):
            told(call)
    if isinstance(result, et.Trajectory):
        _ = result.z0_drift
        told(lambda: result.time_to_rqi(argument(0.5)))


def told(call: Callable[[], Any]) -> Any:
    """The value, or None where an ArgumentError says in one line what is wrong."""
    try:
        return call()
    except et.ArgumentError as error:
        if not GRAMMAR.fullmatch(str(error)) or len(str(error)) > 300:
            raise AssertionError(f"not in the grammar: {error}") from error
    return None


def one_call(seed: int, number: int) -> tuple[str, dict[str, Any], Rng]:
    """Call `number`: (function, arguments, what further choices are drawn from)."""
    rng = np.random.default_rng([seed, number])
    name = NAMES[number % len(NAMES)]
    return name, arguments(name, rng), rng


def run(seed: int, number: int) -> Any:
    """Make call `number`; an exception is a fault."""
    name, made, rng = one_call(seed, number)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = told(lambda: getattr(et, name)(**made))
        if result is not None:
            used(result, rng)
            for what in unexplained(result, made):
                raise AssertionError(what)


def shown(seed: int, number: int) -> str:
    """Call `number`, on a line."""
    name, made, _ = one_call(seed, number)

    def short(value: Any) -> str:
        try:
            return re.sub(" at 0x[0-9A-Fa-f]+", "", " ".join(repr(value).split()))[:80]
        except (RuntimeError, ValueError):  # Strange; an int of too many digits
            return type(value).__name__

    return f"{name}({', '.join(f'{one}={short(value)}' for one, value in made.items())})"


def faults(seed: int, numbers: range) -> Iterator[Fault]:
    """Of these calls, those that went wrong."""
    for number in numbers:
        try:
            run(seed, number)
        except Exception as error:
            yield Fault(number, shown(seed, number), f"{type(error).__name__}: {error}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="this call alone, with its traceback")
    options = parser.parse_args()
    if options.only is not None:
        print(shown(options.seed, options.only))
        try:
            run(options.seed, options.only)
        except Exception:
            traceback.print_exc()
            return 1
        return 0
    begin, found, slowest = time.monotonic(), 0, (0.0, 0)
    for number in range(options.calls):
        start = time.monotonic()
        for fault in faults(options.seed, range(number, number + 1)):
            found += 1
            print(f"{fault.number}: {fault.call}\n    {fault.what}", flush=True)
        slowest = max(slowest, (time.monotonic() - start, number))
    print(f"{options.calls} calls, {found} faults, {time.monotonic() - begin:.0f} s")
    print(f"the slowest took {slowest[0]:.1f} s: {slowest[1]}: {shown(options.seed, slowest[1])}")
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
