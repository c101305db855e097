"""The effective theory derived by computer algebra, for small p: exact, slow, and meant
to be read.

Every function starts from a definition and does one step of the derivation, so that the
modules of numbers can be held against it. Symbols E_0 .. E_(p-1) are the embedding in
one dimension (d = 1): l0, Z0 and C = sum_k E_k of more dimensions are sums over them,
and H is the same in each. About p = 8 is what takes seconds.

>>> import efftheory as et
>>> from efftheory import symbolic
>>> op = et.addition(3)                                     # one parallelogram: 0+2 = 1+1
>>> symbolic.loss(op)
E_0**2 - 4*E_0*E_1 + 2*E_0*E_2 + 4*E_1**2 - 4*E_1*E_2 + E_2**2
>>> symbolic.hessian(op)
Matrix([
[ 2, -4,  2],
[-4,  8, -4],
[ 2, -4,  2]])
>>> symbolic.eigenvalues(op)
[0, 0, 12]
>>> symbolic.conservation_laws(op).z0_rate
0

In every function `op` composes by a sum, and `mask` is bool (N,), the training set D;
None stands for all of D0. Not part of the package's door: sympy takes half a second to
import.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import NamedTuple, cast

import sympy as sp

from efftheory import _checks
from efftheory.operations import Operation, require_sum
from efftheory.parallelograms import Mask

TIME = sp.Symbol("t", nonnegative=True)


def embedding(op: Operation) -> list[sp.Symbol]:
    """The symbols E_0 .. E_(p-1), real.

    Raises:
        ArgumentError: `op` composes by a product; so in every function here.
    """
    require_sum(op)
    return list(sp.symbols(f"E_:{op.n_symbols}", real=True))


def z0(op: Operation) -> sp.Expr:
    """Z0 = sum_k E_k^2."""
    return _sum(x**2 for x in embedding(op))


def loss(op: Operation, mask: Mask = None) -> sp.Expr:
    """l0 = sum over P0(D) of (E_i + E_j - E_m - E_n)^2, expanded: a quadratic form in E
    with whole coefficients.

    P0(D) is found by comparing every two samples of D, as it is defined.

    Source: paper, section 4.1, equation 7.
    """
    E = embedding(op)
    together = [(s, t) for s, t in combinations(_trained(op, mask), 2) if s[2] == t[2]]
    return sp.expand(_sum((E[i] + E[j] - E[m] - E[n]) ** 2 for (i, j, _), (m, n, _) in together))


def class_sum_loss(op: Operation, mask: Mask = None) -> sp.Expr:
    """l0 without P0(D), which is why l0 and H cost O(|D|): sum over the result classes
    of k sum s^2 - (sum s)^2, s = E_i + E_j, k samples a class.

    The sum over pairs of (s - s')^2 counts each s^2 with each of the k - 1 others, and
    each s s' twice; (sum s)^2 is sum s^2 and each s s' twice.
    """
    E = embedding(op)
    classes: dict[int, list[sp.Expr]] = {}
    for i, j, result in _trained(op, mask):
        classes.setdefault(result, []).append(E[i] + E[j])
    return sp.expand(_sum(len(sums) * _sum(s**2 for s in sums) - _sum(sums) ** 2 for sums in classes.values()))


def hessian(op: Operation, mask: Mask = None) -> sp.Matrix:
    """H = d2 l0 / dE_i dE_j, (p, p) of whole numbers: l0 is quadratic, so H is constant
    and l0 = 1/2 E^T H E.

    Source: paper, section 4.1, equation 8.
    """
    return sp.hessian(loss(op, mask), embedding(op))


def nullity(op: Operation, mask: Mask = None) -> int:
    """n_0 = p - rank H, by exact elimination over the rationals.

    H = 2 A^T A with A the equations of P0(D), a row e_i + e_j - e_m - e_n each. A v = 0
    gives H v = 0, and H v = 0 gives v^T H v = 2 |A v|^2 = 0: the null spaces of H and A
    are one.

    Source: paper, section 4.2.
    """
    return op.n_symbols - hessian(op, mask).rank()


def null_space(op: Operation, mask: Mask = None) -> list[sp.Matrix]:
    """A basis of the null space of H, n_0 columns (p, 1) of whole numbers: the
    representations that satisfy D.

    For addition it holds (1 .. 1) and (0, 1 .. p-1), and for n_0 = 2 nothing else.

    >>> [list(v) for v in null_space(et.addition(4))]
    [[3, 2, 1, 0], [-2, -1, 0, 1]]
    """
    return [v * sp.ilcm(1, *(x.q for x in v.flat())) for v in hessian(op, mask).nullspace()]


def characteristic_polynomial(op: Operation, mask: Mask = None) -> sp.Expr:
    """det(lambda I - H), factored over the rationals; n_0 is the exponent of lambda,
    for H is symmetric.

    >>> characteristic_polynomial(et.addition(4))
    lambda**2*(lambda - 20)*(lambda - 12)
    """
    return cast("sp.Expr", sp.factor(hessian(op, mask).charpoly("lambda").as_expr()))


def eigenvalues(op: Operation, mask: Mask = None) -> list[sp.Expr]:
    """The p eigenvalues of H, ascending, with multiplicity: exact algebraic numbers;
    `.evalf(50)` has 50 digits.

    Those without a simple form are sympy's CRootOf. The one after those that all of D0
    leaves at zero, the third for addition, is lambda_3.
    """
    return cast("list[sp.Expr]", sp.real_roots(hessian(op, mask).charpoly("lambda")))


def gradient_flow(op: Operation, mask: Mask = None) -> sp.Matrix:
    """dE/dt = -grad (l0/Z0), (p, 1), by differentiating the quotient: nothing is
    simplified.

    Source: paper, section 4.1; l0 not divided by |P0(D)|, see
    `efftheory.effective_loss`.
    """
    E = embedding(op)
    l_eff = loss(op, mask) / z0(op)
    return sp.Matrix([-sp.diff(l_eff, x) for x in E])


def flow_equation(op: Operation, mask: Mask = None) -> sp.Matrix:
    """dE/dt = -(1/Z0) (H - rho I) E, (p, 1), with the Rayleigh quotient
    rho = E^T H E / Z0 = 2 l0 / Z0.

    By the quotient rule -grad (l0/Z0) = -(grad l0)/Z0 + l0 (grad Z0)/Z0^2, and
    grad l0 = H E, grad Z0 = 2 E. It is `gradient_flow` (the tests simplify the
    difference to 0). The paper prints -H E, without the rho term.

    Source: paper, section 4.1, equation 8.
    """
    E, H, Z0 = sp.Matrix(embedding(op)), hessian(op, mask), z0(op)
    rho = sp.expand((E.T * H * E)[0]) / Z0
    return -(H * E - rho * E) / Z0


class ConservationLaws(NamedTuple):
    """What the flow does to two sums, as expressions in E: dZ0/dt, which is 0, and
    dC/dt of C = sum_k E_k, which is (2 l0/Z0^2) C.
    """

    z0_rate: sp.Expr
    sum_rate: sp.Expr


def conservation_laws(op: Operation, mask: Mask = None) -> ConservationLaws:
    """dZ0/dt and dC/dt along the flow, by the chain rule dF/dt = (grad F) . dE/dt, in
    lowest terms.

    Z0: 2 E . dE/dt = -(2/Z0) (E^T H E - rho E^T E) = 0. Also because l0/Z0 does not
    change when E is scaled, so that its gradient is orthogonal to E.

    C: (1 .. 1) . dE/dt = -(1/Z0) (1^T H E - rho C) = (rho/Z0) C = (2 l0/Z0^2) C,
    for H (1 .. 1) = 0. The paper claims C conserved; only C = 0 stays.

    Source: paper, section 4.1.
    """
    E, velocity = embedding(op), gradient_flow(op, mask)

    def rate(quantity: sp.Expr) -> sp.Expr:
        return cast("sp.Expr", sp.factor(velocity.dot(sp.Matrix([sp.diff(quantity, x) for x in E]))))

    return ConservationLaws(rate(z0(op)), rate(_sum(E)))


def linear_flow(op: Operation, mask: Mask = None) -> sp.Matrix:
    """F(t) = e^(-H t/Z0) E, (p, 1), in `TIME` t and the initial embedding E: the
    solution of dF/dt = -H F/Z0.

    Mode by mode, so the eigenvalues must be within sympy's reach: p = 3 or 4.
    """
    modes, values = hessian(op, mask).diagonalize()
    decay = sp.diag(*(sp.exp(-value * TIME / z0(op)) for value in values.diagonal()))
    return modes * decay * modes.inv() * sp.Matrix(embedding(op))


def closed_form(op: Operation, mask: Mask = None) -> sp.Matrix:
    """E(t) = sqrt(Z0) F(t)/|F(t)|, (p, 1), with F the `linear_flow`: solves
    dE/dt = -grad l_eff exactly.

    With c = sqrt(Z0)/|F|: dc/dt = -c (F . dF/dt)/|F|^2 = c (F^T H F)/(Z0 |F|^2)
    = c rho/Z0, and d(c F)/dt = -(H - rho I) c F/Z0, where |c F|^2 = Z0 all along.
    `flow_residual` does this by algebra.

    Source: ours; the paper integrates numerically.
    """
    F = linear_flow(op, mask)
    return F * (sp.sqrt(z0(op)) / sp.sqrt(_sum(x**2 for x in F.flat())))


def flow_residual(op: Operation, mask: Mask = None) -> sp.Matrix:
    """c (dE/dt + grad l_eff(E)) at E = c F, (p, 1), for any F with dF/dt = -H F/Z0:
    zeros, `closed_form` is a solution.

    The symbols of `embedding` stand for F; what is left is rational in F and
    c^2 = Z0/|F|^2.

    >>> list(flow_residual(et.addition(3)))
    [0, 0, 0]
    """
    F, H, square = sp.Matrix(embedding(op)), hessian(op, mask), z0(op)
    Z0, c = sp.symbols("Z0 c", positive=True)
    slope = -H * F / Z0
    rate = c * slope - c * F * F.dot(slope) / square
    velocity = gradient_flow(op, mask).subs(dict(zip(F.flat(), (c * F).flat(), strict=True)), simultaneous=True)
    return (c * (rate - velocity)).applyfunc(lambda entry: sp.cancel(sp.expand(entry).subs(c, sp.sqrt(Z0 / square))))


def _trained(op: Operation, mask: Mask) -> list[tuple[int, int, int]]:
    """(i, j, result) of each sample of D."""
    chosen = _checks.training_mask(mask, op.n_samples)
    return [(*pair, c) for pair, c in zip(op.pairs[chosen].tolist(), op.results[chosen].tolist(), strict=True)]


def _sum(terms: Iterable[sp.Expr]) -> sp.Expr:
    return sp.Add(*terms)
