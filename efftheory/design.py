"""Training sets by design: of all sets of one size, one that determines the
representation fast, slowly, or widely.

The theory tells the grokking time of a training set before any network sees it
(`spectrum`, `grokking_steps`), so a set can be chosen for it. In the language of
experimental design the largest lambda_3 is an E-optimal design, H being the information
matrix; what is unusual is that a sample is worth nothing by itself, only next to others
of its class.

The search uses two structures. M, H without the directions that all of D0 leaves free,
has lambda_3 as its smallest eigenvalue; adding the sample u to a class with the trained
samples v adds 2 sum_v (u - v)(u - v)^T to it. And the vectors (e_i + e_j, f_c) of the
samples, their symbols and their class c side by side, make a linear matroid: the
samples in the span of D are those of Dbar(D, P(D)), rank A(P0(D)) is the rank of D less
the number of its classes, and a tableau tells which exchanges keep the linear
representation unique, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from efftheory import _checks
from efftheory import _design_kernels as kernels
from efftheory._checks import ArgumentError
from efftheory.generalization import in_table_order
from efftheory.hessian import hessian
from efftheory.operations import Operation, Seed, require_sum

Objective = Literal["lambda3", "generalizable", "slow"]
Flags = NDArray[np.bool_]  # (N,), over `op.samples`

OBJECTIVES = ("lambda3", "generalizable", "slow")

# A rank modulo a prime never exceeds the true one: what is taken for linear-unique is
# so. That the rank falls short by chance (some 1e-9 a set) costs a candidate, and no
# more.
_PRIME = 2**31 - 1

_PERTURBED = 3  # samples exchanged at random to leave a local optimum: fewer fall back, more forget it
_PATIENCE = 30  # tries at each of them, where it must keep the representation unique
_SAMPLES = 50_000  # descents times N, where nothing is said
# The time of one descent grows about as N^2.3: above this N there are so many fewer
# descents that a call takes no longer than here, some three seconds. From N = 1,700 on
# one is left, which at 5,000 takes about 20 seconds.
_USUAL, _GROWTH, _MOST = 210, 2.3, 5_000
_STARTS = 24  # a search starts anew so often, and perturbs its best in between
_PLATEAU = 20  # exchanges that neither widen nor narrow the span, in a row, before it counts as the widest


def design_training_set(
    op: Operation, n_train: int, objective: Objective = "lambda3", seed: Seed = 0, descents: int | None = None
) -> NDArray[np.bool_]:
    """The best training set of `n_train` samples that an exchange search finds.

    - "lambda3": the largest lambda_3, the eigenvalue of H above those that are 0 on all
      of D0 (E-optimal); where no set with any was found, the largest rank of A(P0(D))
      instead.
    - "slow": the smallest lambda_3 among the linear-unique sets
      (n_0 = `op.full_nullity`): it does determine the representation, as slowly as
      possible. Uniqueness is exact; slower than 1e-12 lambda_max is not distinguished.
    - "generalizable": the largest ideal accuracy |Dbar(D, P(D))| / |D0|, of equals the
      larger lambda_3.

    Local optima of exchanging one sample (Cook and Nachtsheim's variant of Fedorov's
    algorithm), from several random starts, each left by a few random exchanges, which
    are kept where they led to no worse. There is no proof of optimality; the same seed
    gives the same set. Where lambda_3 is not defined (p is `op.full_nullity`, as for
    addition of two symbols), all sets of a size are equally good for it.

    A set that finds the representation fast need not generalise: "lambda3" spends no
    sample on classes that add little to it, and what no trained sample shares a result
    with is out of reach.

    Args:
        op: the operation, of N samples.
        n_train: |D|, in 0..N.
        objective: as above.
        seed: an int or a numpy Generator.
        descents: how many local optima are compared, at most one for each set of the
            size. None is 50,000 / N, at most 1000 (about a second at p = 10), above
            N = 210 (p = 20) so many that it takes no longer, and at least one; above
            N = 5,000 it must be said.

    Returns:
        bool (N,), True for the samples of D.

    Source: lambda_3 and Dbar as in the paper, sections 3.2 and 4.1, with the undivided
    H of `hessian`; the paper draws its training sets at random. Exchange: Fedorov
    (1972), Theory of Optimal Experiments; Cook and Nachtsheim (1980), Technometrics 22,
    315.

    Raises:
        ArgumentError: `n_train` is not in 0..N; no linear-unique set of that size was
            found for "slow"; `objective` is none of the three; `descents` is below 1,
            or None for more than 5,000 samples; `op` composes by a product.
    """
    require_sum(op)
    n_train = _checks.integer("n_train", n_train, 0, op.n_samples)
    _checks.choice("objective", objective, OBJECTIVES)
    if descents is None:
        descents = usual_descents(op.n_samples)
    descents = min(_checks.integer("descents", descents, 1), comb(op.n_samples, n_train))
    return in_table_order(op, Search(op, n_train, _checks.generator("seed", seed)).best(objective, descents))


def usual_descents(n_samples: int) -> int:
    """How many descents are made where nothing is said."""
    if n_samples > _MOST:
        raise ArgumentError("descents", f"be given for more than {_MOST} samples", f"there are {n_samples}")
    usual = min(_SAMPLES // min(n_samples, _USUAL), 1000)
    return max(int(usual * min(_USUAL / n_samples, 1.0) ** _GROWTH), 1)


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A training set, and its value as the objective has it: compared in order, larger
    is better.
    """

    value: tuple[float, ...]
    flags: Flags


class Search:
    """What stays the same between descents: samples, their sums in driven coordinates,
    their tableau.
    """

    def __init__(self, op: Operation, n_train: int, rng: np.random.Generator):
        left, right, self.first = op.samples
        self.op, self.n_train, self.rng = op, n_train, rng
        self.class_of = np.repeat(np.arange(op.n_results), np.diff(self.first))
        self.n_driven = op.n_symbols - op.full_nullity
        modes = np.linalg.eigh(hessian(op))[1][:, op.full_nullity :]
        sums = np.ascontiguousarray(modes[left] + modes[right])
        self.geometry = kernels.Geometry(sums, self.first, self.class_of)
        self._tableau = kernels.make_tableau(left, right, self.class_of, op.n_symbols, op.n_results, _PRIME)

    def tableau(self) -> kernels.Tableau:
        """A fresh copy: settling changes it."""
        table, basis, q = self._tableau
        return kernels.Tableau(table.copy(), basis.copy(), q)

    def best(self, objective: Objective, descents: int) -> Flags:
        """The best of `descents` local optima."""
        found: _Candidate | None = None
        for round_ in range(_STARTS):
            share = len(range(round_, descents, _STARTS))  # how many of the descents fall to this start
            if share == 0:
                break
            reached = self.descended(objective, self.initial())
            for _ in range(share - 1):
                other = self.descended(objective, self.perturbed(reached.flags, objective == "slow"))
                if other.value >= reached.value:
                    reached = other
            if found is None or reached.value > found.value:
                found = reached
        assert found is not None
        if objective == "slow" and found.value[0] < self.n_driven:
            size = f"{self.n_train} of the {self.op.n_samples} samples of {self.op.name}"
            requirement = "allow a linear-unique training set"
            raise ArgumentError("n_train", requirement, f"none of {size} was found")
        return found.flags

    # One descent

    def descended(self, objective: Objective, flags: Flags) -> _Candidate:
        """The local optimum next to `flags`, which it takes over."""
        tableau, cover, lambda3 = self.tableau(), 0, 0.0
        if objective == "generalizable":
            flags, cover = self.widened(flags, tableau)
        rank = self.rank(flags, tableau)
        if rank == self.n_driven > 0:
            order = self.rng.permutation(len(flags))
            lambda3 = kernels.exchange(self.geometry, flags, order, cover, objective != "slow")
            rank = self.rank(flags, tableau)
        if objective == "generalizable":
            return _Candidate((cover, lambda3), flags)
        return _Candidate((rank, -lambda3 if objective == "slow" else lambda3), flags)

    def rank(self, flags: Flags, tableau: kernels.Tableau) -> int:
        """Of A(P0(D)), modulo the prime: p - full_nullity is proof of a unique linear
        representation.
        """
        return kernels.settle(tableau, flags) - len(np.unique(self.class_of[flags]))

    def widened(self, flags: Flags, tableau: kernels.Tableau) -> tuple[Flags, int]:
        """(flags, |Dbar|): the samples exchanged until no exchange of one widens their
        span.

        A sample that depends on others is of no use while there is one outside their
        span. Then all exchanges are compared at once, and the best made also where it
        is no wider: plateaus are walked. Of equally wide spans one that makes the
        linear representation unique is kept.
        """
        basis = tableau.basis
        kernels.settle(tableau, flags)
        while not flags[basis].all():
            spare = np.setdiff1d(np.flatnonzero(flags), basis)
            if len(spare) == 0:
                break
            outside = np.flatnonzero(~kernels.spanned(tableau, flags))
            flags[self.rng.choice(spare)] = False
            flags[self.rng.choice(outside)] = True
            kernels.settle(tableau, flags)
        best, widest, idle = (-1, False), flags.copy(), 0
        while idle < _PLATEAU:
            unique = self.rank(flags, tableau) == self.n_driven
            value = int(kernels.spanned(tableau, flags).sum()), unique
            idle = 0 if value > best else idle + 1
            if value > best:
                best, widest = value, flags.copy()
            if flags[basis].all() or not flags.any():
                break
            _, a, b = kernels.widest(tableau, flags, self.rng.permutation(len(basis)))
            flags[a], flags[b] = False, True
        return widest, best[0]

    # Where descents begin

    def initial(self) -> Flags:
        """A random set, built around few classes if a set around many does not make the
        representation unique.
        """
        for spread in (self.op.n_samples, 1):
            flags = self.grown(spread)
            tableau = self.tableau()
            if self.rank(flags, tableau) == self.n_driven:
                break
        return flags

    def grown(self, spread: int) -> Flags:
        """Class by class, what raises the rank until it is full, then anything.

        A class costs a sample before it gives its first equation. So the classes come
        by size, largest first, blurred by `spread`: 1 only shuffles those of one size.
        """
        flags = np.zeros(self.op.n_samples, dtype=np.bool_)
        tableau = self.tableau()
        sizes = np.diff(self.first)
        left = self.n_train
        for c in np.argsort(-(sizes + spread * self.rng.random(len(sizes)))):
            for s in self.first[c] + self.rng.permutation(sizes[c]):
                if left > 0 and not kernels.spanned(tableau, flags)[s]:
                    flags[s] = True
                    left -= 1
                    kernels.settle(tableau, flags)
            if self.rank(flags, tableau) == self.n_driven:
                break
        flags[self.rng.choice(np.flatnonzero(~flags), left, replace=False)] = True
        return flags

    def perturbed(self, flags: Flags, unique: bool) -> Flags:
        """`flags` after a few random exchanges, one by one; `unique`: of those that
        keep the representation unique.
        """
        flags = flags.copy()
        tableau = self.tableau()
        made = 0
        for _ in range(_PERTURBED * _PATIENCE):
            if made == _PERTURBED or flags.all() or not flags.any():
                break
            a, b = (self.rng.choice(np.flatnonzero(which)) for which in (flags, ~flags))
            flags[a], flags[b] = False, True
            if unique and self.rank(flags, tableau) < self.n_driven:
                flags[a], flags[b] = True, False
            else:
                made += 1
        return flags
