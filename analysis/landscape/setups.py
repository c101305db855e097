"""The landscapes that have a name: networks, initial scales, data sizes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from analysis.runs.plan import Axis, grid, parse_axis, parse_settings
from neural import (
    ConfigError,
    DigitsConfig,
    ModularConfig,
    MoleculesConfig,
    ReviewsConfig,
    TeacherConfig,
    family_of,
)
from neural.family import Family

SCALES = "init_scale"  # the field whose axis every landscape has


@dataclass(frozen=True)
class Setup:
    """What a landscape is made of by default.

    Attributes:
        title: of the page.
        base: a run of it; none has weight decay, and all keep their norm.
        x: the axis of initial scales, as `parse_axis` reads it.
        y: that of data sizes.
        seeds: how many.
    """

    title: str
    base: Any
    x: str
    y: str
    seeds: int


_STILL: dict[str, Any] = {"weight_decay": 0.0, "constrained": True}
# Networks and budgets that two cores train in minutes; a wider or longer one is an
# option away (--set width=200, --budget 100000).
SETUPS = {
    "teacher": Setup(
        "A student and a teacher",
        TeacherConfig(**_STILL, look_every=100, budget=10_000),
        "init_scale=0.1:10:21:log",
        "n_train=100",
        3,
    ),
    "digits": Setup(
        "Digits",
        DigitsConfig(**_STILL, width=100, batch_size=None, look_every=100, budget=3_000),
        "init_scale=0.1:10:11:log",
        "n_train=30,100,300,1000",
        2,
    ),
    "transformer": Setup(
        "A transformer that adds modulo p",
        ModularConfig(
            **_STILL, network="transformer", p=31, d=64, mlp=256, learning_rate=1e-3, look_every=50, budget=3_000
        ),
        "init_scale=0.25:4:9:log",
        "fraction=0.2,0.3,0.4,0.6",
        2,
    ),
    "reviews": Setup(
        "Film reviews",
        ReviewsConfig(**_STILL, embedding=32, width=64, look_every=100, budget=400),
        "init_scale=0.03,0.1,0.3,1,3,6,10",
        "n_train=1000,4000",
        3,
    ),
    "molecules": Setup(
        "Molecules",
        MoleculesConfig(**_STILL, pool=1_000, n_test=200, look_every=100, budget=2_000),
        "init_scale=0.2,0.4,0.7,1,1.4,2,3",
        "n_train=50,500",
        3,
    ),
}


@dataclass(frozen=True)
class Landscape:
    """A grid of runs at constant norm: initial scales, data sizes, seeds."""

    title: str
    base: Any
    scales: Axis
    sizes: Axis
    seeds: int
    first_seed: int = 0

    @property
    def family(self) -> type[Family]:
        """Of its runs."""
        return family_of(self.base)

    def configs(self) -> list[Any]:
        return grid(self.base, (self.scales, self.sizes), self.seeds, self.first_seed)

    @property
    def times(self) -> tuple[int, ...]:
        """Steps at which it is looked at: a tenth and a third of the budget, and all of
        it.
        """
        every, budget = self.base.look_every, self.base.budget
        return tuple(sorted({max(budget // part // every, 1) * every for part in (10, 3, 1)}))


def resolved(
    name: str,
    x: str | None = None,
    y: str | None = None,
    settings: tuple[str, ...] = (),
    seeds: int | None = None,
    budget: int | None = None,
    first_seed: int = 0,
) -> Landscape:
    """The landscape that these options name.

    Raises:
        ConfigError: no such landscape, another axis than the initial scale, or values
            that a run cannot have.
    """
    if name not in SETUPS:
        raise ConfigError(f"`name` must be one of {', '.join(SETUPS)}, but is {name!r}.")
    setup = SETUPS[name]
    kind = type(setup.base)
    scales, sizes = parse_axis(kind, "x", x or setup.x), parse_axis(kind, "y", y or setup.y)
    if scales.field != SCALES or not scales.is_number:
        raise ConfigError(f"`x` must be an axis of init_scale (alpha), but is one of {scales.field}.")
    if not sizes.is_number or sizes.field in (SCALES, *_STILL, "look_every", "budget"):
        raise ConfigError(f"`y` must be an axis of numbers, of data sizes say, but is one of {sizes.field}.")
    if len(scales.values) < 3:
        raise ConfigError(f"`x` must have three values at least, but has {len(scales.values)}.")
    given = parse_settings(kind, "set", settings)
    for field in given:
        if field in (SCALES, sizes.field, *_STILL):
            raise ConfigError(f"`set` must not name what a landscape fixes or varies, but names {field}.")
    if budget is not None:
        given["budget"] = budget
    base = replace(setup.base, **{sizes.field: sizes.values[0]} | given)
    found = Landscape(setup.title, base, scales, sizes, setup.seeds if seeds is None else seeds, first_seed)
    found.configs()  # checks every value
    return found
