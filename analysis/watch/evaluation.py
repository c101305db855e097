"""What a network says of samples, and how wrong it is, without leaving a trace in it.

A network is called with copies of its weights and buffers. So nothing that it does
while it is evaluated reaches those that are trained, nor their gradients.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neural import ConfigError

Kind = Literal["classes", "signs", "one-hot", "numbers"]  # of targets
Loss = Callable[[Tensor, Tensor], Tensor]
_IGNORED = -100  # cross_entropy's own mark of a target that does not count
_DTYPES = {"float16": torch.float16, "float32": torch.float32}


@dataclass(frozen=True, eq=False)
class Samples:
    """Inputs, of one argument of the network or several, and targets; and how many
    there are of which these were drawn.
    """

    inputs: tuple[Tensor, ...]
    targets: Tensor
    of: int


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Means over samples: `loss`, `accuracy`, of classes also `logit_scale` and the
    shares `softmax_lost_...`; and, where asked for, `gradient_norm` and the outputs.
    """

    means: dict[str, float]
    outputs: Tensor | None


@dataclass(frozen=True, eq=False)
class Evaluator:
    """How outputs are chosen and judged; `chunk` samples at a time."""

    kind: Kind
    loss: Loss | None
    output: Callable[[Any], Tensor] | None
    tolerance: float
    chunk: int

    def __call__(self, model: nn.Module, samples: Samples, gradient: bool = False, keep: bool = False) -> Evaluation:
        """Of a network within `undisturbed`."""
        held, judge = dict(model.named_parameters()), self.loss or self._usual_loss
        state = {name: old.detach().clone() for name, old in [*held.items(), *model.named_buffers()]}
        trained = [state[name].requires_grad_() for name, old in held.items() if gradient and old.requires_grad]
        device = next(iter(state.values())).device if state else torch.device("cpu")
        slopes = [torch.zeros_like(weight) for weight in trained]
        total, loss, sums, kept = self._count(samples.targets), 0.0, Counter[str](), []
        for start in range(0, len(samples.targets), self.chunk):
            part = slice(start, start + self.chunk)
            inputs = tuple(values[part].to(device) for values in samples.inputs)
            with torch.set_grad_enabled(bool(trained)):
                outputs = self._chosen(torch.func.functional_call(model, state, inputs), samples.targets[part])
                targets = samples.targets[part].to(outputs.device)
                share = self._count(targets) / total
                part_loss = judge(outputs, targets).mean() * share if share else outputs.new_zeros(())
            if trained and part_loss.requires_grad:
                found = torch.autograd.grad(part_loss, trained, allow_unused=True, materialize_grads=True)
                for slope, more in zip(slopes, found, strict=True):
                    slope += more
            loss += float(part_loss.detach())
            sums.update(self._sums(outputs.detach(), targets))
            kept += [outputs.detach().cpu().double()] if keep else []
        means = {"loss": loss, "accuracy": sums["right"] / sums["n"]}
        if self.kind != "numbers":
            means["logit_scale"] = (sums["square"] / sums["n"]) ** 0.5
        if self.kind == "classes":
            means |= {name: sums[name] / sums["n"] for name in map("softmax_lost_{}".format, _DTYPES)}
        if gradient:
            means["gradient_norm"] = norm(slopes) if trained else float("nan")
        return Evaluation(means, torch.cat(kept) if keep else None)

    def _count(self, targets: Tensor) -> int:
        return int((targets != _IGNORED).sum()) if self.kind == "classes" else len(targets)

    def _chosen(self, raw: Any, targets: Tensor) -> Tensor:
        """The outputs that belong to the targets, in their shape where there is one a
        target.
        """
        candidates = [self.output(raw)] if self.output else list(_tensors(raw))
        shape, classes = tuple(targets.shape), self.kind == "classes"
        for one in candidates:
            if isinstance(one, Tensor) and one.is_floating_point():
                if one.shape in (shape, (*shape, 1)):
                    return one.reshape(shape)
                if classes and one.shape[:-1] == shape:
                    return one
        found = ", ".join(str(tuple(one.shape)) if isinstance(one, Tensor) else repr(one)[:40] for one in candidates)
        wanted = f"{(*shape, 'classes')} or {shape}" if classes else str(shape)
        example = "output=lambda out: out[:, -1]"
        raise ConfigError(
            f"`output` must choose outputs {wanted} for targets {shape} of {str(targets.dtype)[6:]}, for example "
            f"{example}, but there are {found or 'none'}."
        )

    def _usual_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if self.kind != "classes":
            return F.mse_loss(outputs, targets)
        if outputs.shape == targets.shape:
            return F.binary_cross_entropy_with_logits(outputs, (targets > 0).to(outputs.dtype))
        return F.cross_entropy(outputs.flatten(0, -2), targets.flatten())

    def _sums(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Over these samples: how many, how many right, and what the means need."""
        wide = outputs.to(torch.float32 if outputs.device.type == "mps" else torch.float64)
        if self.kind == "numbers":
            right = ((wide - targets).abs() <= self.tolerance).double() + 0 * (wide - wide)  # nan stays nan
            return {"n": right.numel(), "right": float(right.sum())}
        if self.kind == "one-hot":
            logits, labels = wide, targets.argmax(-1)
        elif wide.shape == targets.shape:  # one logit z is two, 0 and z
            logits, labels = torch.stack([0 * wide, wide], -1).flatten(0, -2), (targets.flatten() > 0).long()
        else:
            logits, labels = wide.flatten(0, -2), targets.flatten()
        if self.kind == "classes":
            logits, labels = logits[labels != _IGNORED], labels[labels != _IGNORED]
        right = (logits.argmax(-1) == labels).to(wide.dtype) + 0 * logits.sum(-1)
        centred = logits - logits.mean(-1, keepdim=True)
        sums = {"n": len(labels), "right": float(right.sum()), "square": float(centred.square().sum())}
        own = logits.gather(1, labels[:, None])
        others = (logits.scatter(1, labels[:, None], -torch.inf) - own).exp().sum(-1)
        lost = {f"softmax_lost_{name}": others <= torch.finfo(dtype).eps / 2 for name, dtype in _DTYPES.items()}
        return sums | {name: float(share.sum()) for name, share in lost.items()}


@contextmanager
def undisturbed(model: nn.Module, seed: int) -> Iterator[None]:
    """A network in evaluation mode, called as it was written, not compiled, with random
    numbers from a seed. Afterwards the mode of each of its modules and all random
    states are what they were.
    """
    modes = [(module, module.training) for module in model.modules()]
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    python, legacy, caches = random.getstate(), np.random.get_state(), torch.is_autocast_cache_enabled()
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices, device_type="cuda"))
        stack.enter_context(torch.inference_mode(False))
        if "torch._dynamo" in sys.modules:  # else nothing is compiled
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        try:
            torch.default_generator.manual_seed(seed)
            if devices:
                torch.cuda.manual_seed_all(seed)
            torch.set_autocast_cache_enabled(False)
            for module, _ in modes:
                module.training = False
            yield
        finally:
            for module, training in modes:
                module.training = training
            torch.set_autocast_cache_enabled(caches)
            random.setstate(python)
            np.random.set_state(legacy)


def plain(model: nn.Module) -> nn.Module:
    """A network without what compiles it or spreads it over devices."""
    wrappers = (nn.parallel.DistributedDataParallel, nn.DataParallel)
    while True:
        if isinstance(model, wrappers):
            model = model.module
        elif isinstance(inner := getattr(model, "_orig_mod", None), nn.Module):  # of torch.compile
            model = inner
        else:
            return model


def norm(tensors: Sequence[Tensor]) -> float:
    """Euclidean norm of all of them together."""
    squares = [torch.linalg.vector_norm(one.detach().cpu(), dtype=torch.float64).square() for one in tensors]
    return float(torch.stack(squares).sum().sqrt())


def samples(name: str, given: Any, at_most: int, seed: int) -> Samples:
    """Of a pair (x, y), x a tensor or a tuple of them: all, or `at_most` drawn."""
    need = f"`{name}` must be a pair (x, y) of as many inputs as targets"
    if not (isinstance(given, tuple | list) and len(given) == 2):
        raise ConfigError(f"{need}, but is a {type(given).__name__}.")
    x, y = given
    try:
        inputs = tuple(torch.as_tensor(part) for part in (x if isinstance(x, tuple) else (x,)))
        targets = torch.as_tensor(y)
    except (TypeError, ValueError, RuntimeError):
        raise ConfigError(f"{need}, but they are {type(x).__name__} and {type(y).__name__}.") from None
    sizes = [len(part) if part.ndim else 0 for part in (*inputs, targets)]
    if len(set(sizes)) > 1 or not sizes[0] or targets.is_complex() or bool((targets == _IGNORED).all()):
        raise ConfigError(f"{need}, but they have {', '.join(map(str, sizes))} of {str(targets.dtype)[6:]}.")
    if not targets.is_floating_point():
        targets = targets.long()
    if sizes[0] <= at_most:
        return Samples(inputs, targets, sizes[0])
    drawn = torch.randperm(sizes[0], generator=torch.Generator().manual_seed(seed))[:at_most].sort().values
    some = [part[drawn.to(part.device)] for part in (*inputs, targets)]
    return Samples(tuple(some[:-1]), some[-1], sizes[0])


def kind_of(targets: Tensor) -> Kind:
    """Integers are classes; floats are signs if all are 1 or -1, one class a row if all
    rows are one-hot, else numbers.
    """
    if not targets.is_floating_point():
        return "classes"
    if bool((targets.abs() == 1).all()):
        return "signs"
    is_one_hot = targets.ndim == 2 and bool((((targets == 0) | (targets == 1)).all(1) & (targets.sum(1) == 1)).all())
    return "one-hot" if is_one_hot else "numbers"


def _tensors(raw: Any) -> Iterator[Any]:
    """Whatever a network gives, in its order."""
    if isinstance(raw, Mapping):
        raw = tuple(raw.values())
    if isinstance(raw, tuple | list):
        for one in raw:
            yield from _tensors(one)
    elif isinstance(getattr(raw, "logits", None), Tensor):
        yield raw.logits
    else:
        yield raw
