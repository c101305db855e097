"""R runs advance together: every tensor has a leading run axis, one lane a run.

An update is one function of the lanes' state: forward and gradient of the family's
objective, then AdamW or SGD. Where runs are evaluated at every step, that is part of
the function and takes its outputs from the same forward pass. `torch.func`
vectorises a family over the lanes, `torch.compile` fuses what is computed.
docs/engine.md counts the operations and says how near it comes to what the machine can
do. The engine knows lanes, optimiser groups and norms; it knows no task.

On a CPU a lane's numbers do not depend on what the other lanes hold, nor, from two on,
on how many there are (a test compares bits), so a run resumed in other company gives
the same result. Networks of a few units a layer can differ in their last digits with
the number of lanes. So it is on one machine: another processor, or another torch,
rounds otherwise, and after many steps that can be another outcome.
"""

from __future__ import annotations

import platform
import types
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import grad_and_value, vmap

from neural.config import shape
from neural.family import Evaluation, Family, Group, Parameters, Start, weight_norm

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8  # AdamW's defaults in torch
# From here on 1 - BETA2^t is 1 in float64, and AdamW's bias corrections are over.
CORRECTED = 37_500
BATCHES = 50  # mini-batches drawn ahead
ENDLESS = 2**62  # updates: more than any run makes


class Ensemble:
    """`lanes` runs of one shape in training.

    `load(lane, config, start)` puts a run into a lane. Where runs are evaluated at
    every step, `step()` advances all lanes by one update and returns what was measured
    before it; else `advance(n)` makes n updates and `evaluate()` measures: metrics (R,
    M) in the order of METRICS, which samples are right (R, N), and tensors to keep, (R,
    ...) each.
    """

    def __init__(
        self, family: type[Family], starts: Sequence[Start], configs: Sequence[Any], device: str, compiled: bool
    ):
        if len({shape(config) for config in configs}) > 1:
            raise ValueError("the runs of an ensemble must have one shape")
        self.lanes = len(configs)
        self.family = family(configs[0], device)
        self._device = torch.device(device)
        self._dtype = getattr(torch, configs[0].dtype)

        def per_lane(*size: int, dtype: torch.dtype = self._dtype) -> Tensor:
            return torch.zeros(self.lanes, *size, device=self._device, dtype=dtype)

        def like(array: NDArray) -> Tensor:
            whole = np.issubdtype(array.dtype, np.integer)
            return per_lane(*array.shape, dtype=torch.int64 if whole else self._dtype)

        named = dict(starts[0].model.named_parameters())
        groups = family.groups(configs[0])
        # the longest of the groups that its name begins with
        self._group = {name: max(filter(name.startswith, groups), key=len) for name in named}
        self._parameters, self._first_moments, self._second_moments = (
            {name: per_lane(*value.shape) for name, value in named.items()} for _ in range(3)
        )
        self._lane = {name: like(array) for name, array in starts[0].lane.items()}
        self._batch = like(starts[0].batch)  # what the next update descends on
        kinds = {float: self._dtype, int: torch.int64, bool: torch.bool}
        self._settings = {
            name: {setting: per_lane(dtype=kinds[type(value)]) for setting, value in settings_of(group).items()}
            for name, group in groups.items()
        }
        self._constrained = any(start.radius for start in starts)
        self._own = {"radius": per_lane(), "updates": per_lane(dtype=torch.int64)}
        self._beta2 = {name: group.beta2 for name, group in groups.items()}
        self._corrections = {
            beta2: torch.as_tensor(bias_corrections(beta2), dtype=self._dtype, device=self._device)
            for beta2 in set(self._beta2.values())
        }
        self._batches: list[Iterator[NDArray]] = [iter(()) for _ in starts]
        self._ahead: Tensor | None = None  # (R, BATCHES, ...), once a run with mini-batches has come
        self._used = BATCHES  # how many of those ahead have been trained on
        self.compiled = compiled
        self._compile_all()
        for lane, (config, start) in enumerate(zip(configs, starts, strict=True)):
            self.load(lane, config, start)

    def load(self, lane: int, config: Any, start: Start) -> None:
        """Put a new run into `lane`, at its first step."""
        with torch.no_grad():
            for name, value in start.model.named_parameters():
                self._parameters[name][lane].copy_(value)
                self._first_moments[name][lane].zero_()
                self._second_moments[name][lane].zero_()
            for name, array in start.lane.items():
                self._lane[name][lane].copy_(torch.as_tensor(array))
            self._batch[lane].copy_(torch.as_tensor(start.batch))
        for name, group in self.family.groups(config).items():
            for setting, value in settings_of(group).items():
                self._settings[name][setting][lane] = value
        if start.radius and not self._constrained:
            raise ValueError("a run whose norm is held must not join an ensemble of free ones")
        self._own["radius"][lane] = start.radius
        self._own["updates"][lane] = 0
        self._batches[lane] = repeat(start.batch) if start.batches is None else start.batches
        if start.batches is not None and self._ahead is None:
            self._ahead = self._batch.new_zeros(self.lanes, BATCHES, *self._batch.shape[1:])
        self._draw_ahead([lane])

    def keep(self, lanes: Sequence[int]) -> None:
        """Go on with these lanes only, in this order."""
        moments = (self._first_moments, self._second_moments)
        for tensors in (self._parameters, *moments, self._lane, self._own, *self._settings.values()):
            tensors.update({name: value[lanes].clone() for name, value in tensors.items()})
        self._batch = self._batch[lanes].clone()
        self._batches = [self._batches[lane] for lane in lanes]
        if self._ahead is not None:
            self._ahead = self._ahead[lanes].clone()
        self.lanes = len(lanes)
        self._compile_all()

    def step(self) -> Evaluation:
        """One update of all lanes, and what was measured before it."""
        with torch.no_grad():
            self._next_batch()
            return self._measured_update()

    def advance(self, updates: int) -> None:
        """So many updates of all lanes."""
        with torch.no_grad():
            for _ in range(updates):
                self._next_batch()
                self._update()

    def evaluate(self) -> Evaluation:
        """What is measured of the lanes as they are."""
        with torch.no_grad():
            return self._evaluate()

    def norms(self) -> Parameters:
        """Euclidean norm of each tensor of weights, (R,), of the lanes as they are."""
        with torch.no_grad():
            return {
                name: value.square().reshape(len(value), -1).sum(1).sqrt() for name, value in self._parameters.items()
            }

    def weights(self, lane: int) -> dict[str, NDArray]:
        """Those of a lane as they are."""
        return {name: value[lane].cpu().numpy().copy() for name, value in self._parameters.items()}

    def _next_batch(self) -> None:
        if self._ahead is None:
            return
        if self._used == BATCHES:
            self._used = 0
            self._draw_ahead(range(self.lanes))
        self._batch.copy_(self._ahead[:, self._used])
        self._used += 1

    def _draw_ahead(self, lanes: Iterable[int]) -> None:
        """The mini-batches of `lanes` for what is left of the block that all lanes are
        in.
        """
        if self._ahead is None:
            return
        for lane in lanes:
            block = [next(self._batches[lane]) for _ in range(self._used, BATCHES)]
            if block:
                self._ahead[lane, self._used :].copy_(torch.as_tensor(np.stack(block)))

    def _compile_all(self) -> None:
        self._measured_update = self._made(self._eager_measured_update, "_measured_update")
        self._update = self._made(self._eager_update, "_update")
        self._evaluate = self._made(self._eager_evaluate, "_evaluate")

    def _made(self, eager: Any, name: str) -> Callable[[], Any]:
        """`eager`, compiled at its first call if this ensemble is; as it is, with a
        warning, where this machine cannot compile.
        """
        if not self.compiled:
            return eager
        # Before each call torch asks whether what it compiled still fits: a tenth of
        # the step. An ensemble never changes its shapes, so it need not ask; but a code
        # object of its own keeps two ensembles apart.
        own = types.FunctionType(eager.__func__.__code__.replace(), eager.__func__.__globals__)
        options: dict[str, Any] = {"guard_filter_fn": torch.compiler.skip_all_guards_unsafe}
        if self._device.type == "cpu":
            options["cpp.use_decompose_tanh"] = True  # by an exponential: a third of the time
            # torch keeps on disk what it compiled, and finds it again by these options,
            # but not by the processor: one with shorter vectors (or this one, told to
            # act so by ATEN_CPU_CAPABILITY) would take it, and crash.
            options["cpp.simdlen"] = vector_bits()
        compiled = torch.compile(types.MethodType(own, self), dynamic=False, fullgraph=True, options=options)

        def first() -> Any:
            try:
                outputs = compiled()
            except Exception as error:  # no compiler, say, or an LSTM; what is wrong beside that, the next step says
                reason = str(error).splitlines()[0]
                warnings.warn(f"torch.compile failed, training slowly: {reason}", stacklevel=2)
                self.compiled = False
                self._compile_all()
                return eager()
            setattr(self, name, compiled)
            return outputs

        return first

    def _eager_measured_update(self) -> Evaluation:
        gradients, outputs = self._gradients()
        evaluation = self.family.evaluate(self._parameters, self._lane, outputs)
        self._descend(gradients)
        return evaluation

    def _eager_update(self) -> None:
        self._descend(self._gradients()[0])

    def _eager_evaluate(self) -> Evaluation:
        return self.family.evaluate(self._parameters, self._lane, None)

    def _gradients(self) -> tuple[Parameters, Any]:
        lane = self._lane | {"step": self._own["updates"]}
        gradients, (_, outputs) = vmap(grad_and_value(self.family.objective, has_aux=True))(
            self._parameters, lane, self._batch
        )
        return gradients, outputs

    def _descend(self, gradients: Parameters) -> None:
        """torch's AdamW or plain SGD, with a learning rate, weight decay and its end,
        warm-up, epsilon and step count a lane.
        """
        updates = self._own["updates"]
        updates += 1
        for name, value in self._parameters.items():
            group, beta2 = self._settings[self._group[name]], self._beta2[self._group[name]]
            lanes = (-1,) + (1,) * (value.dim() - 1)
            # exactly 1 where there is no warm-up, or no more
            warmth = (updates / group["warmup"]).clamp(max=1)
            rate, gradient = (group["rate"] * warmth).view(lanes), gradients[name]
            scale, eps = self._corrections[beta2][:, updates.clamp(max=CORRECTED)]
            m, v = self._first_moments[name], self._second_moments[name]
            m.lerp_(gradient, 1 - BETA1)
            v.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
            # where epsilon is EPS and decay has no end, not a bit of these is changed
            eps = eps * group["epsilon"]
            decay = torch.where(updates <= group["last_decay"], group["decay"], 0)
            direction = scale.view(lanes) * m / (v.sqrt() + eps.view(lanes))
            direction = torch.where(group["sgd"].view(lanes), gradient, direction)
            value.mul_(1 - rate * decay.view(lanes)).sub_(rate * direction)
        if self._constrained:  # all weights of a lane together back to its radius
            radius = self._own["radius"]
            factor = torch.where(radius > 0, radius / weight_norm(self._parameters), 1)
            for value in self._parameters.values():
                value.mul_(factor.view((-1,) + (1,) * (value.dim() - 1)))


def settings_of(group: Group) -> dict[str, float]:
    """One lane's numbers of a group: reals of its type, integers, truth values."""
    return {
        "rate": float(group.learning_rate),
        "decay": float(group.weight_decay),
        "warmup": float(max(group.warmup, 1)),
        "epsilon": group.epsilon / EPS,
        "last_decay": ENDLESS if group.decay_until is None else group.decay_until,
        "sgd": group.optimizer == "sgd",
    }


def vector_bits() -> int | None:
    """Length of the vectors that this processor's compiled steps use: 0 without any,
    None where torch is to choose.
    """
    capability = torch.backends.cpu.get_cpu_capability()
    if capability == "DEFAULT" and platform.machine() in ("x86_64", "AMD64"):
        return 0
    return {"AVX512": 512, "AVX2": 256}.get(capability)


def bias_corrections(beta2: float = BETA2) -> NDArray[np.float64]:
    """(2, CORRECTED + 1): AdamW's direction after t updates is scale[t] m / (sqrt(v) +
    eps[t]).

    That is m / (1 - BETA1^t) over sqrt(v / (1 - beta2^t)) + EPS with one division
    instead of three, and tabulated because 1 - beta2^t loses four digits in float32 at
    the first steps.
    """
    updates = np.arange(CORRECTED + 1).clip(min=1)
    root = np.sqrt(-np.expm1(updates * np.log(beta2)))
    return np.stack([root / -np.expm1(updates * np.log(BETA1)), EPS * root])
