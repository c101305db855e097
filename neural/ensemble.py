"""R runs advance together: every tensor has a leading run axis, one lane a run.

One step is one function of the lanes' state: forward over all of D0, metrics from that same pass, gradient of
the training loss, update. `torch.func` vectorises the network over the lanes, `torch.compile` fuses the step.
docs/engine.md counts its operations and says how near it comes to what the machine can do.

On a CPU a lane's numbers do not depend on what the other lanes hold, nor, from two on, on how many there are (a
test compares bits), so a run resumed in other company gives the same result. So it is on one machine: another
processor, or another torch, rounds otherwise, and after many steps that can be another outcome.
"""

from __future__ import annotations

import platform
import types
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call, grad_and_value, vmap

from neural.config import RunConfig
from neural.models import Start, Task

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8  # AdamW's defaults in torch
# From here on 1 - BETA2^t is 1 in float64, and AdamW's bias corrections are over.
CORRECTED = 37_500
BATCHES = 50  # mini-batches drawn ahead

METRICS = ("train_accuracy", "test_accuracy", "rqi", "train_loss", "test_loss")


class Ensemble:
    """`lanes` runs of one shape in training.

    `load(lane, config, start)` puts a run into a lane; `step()` advances all lanes by one update and returns what was
    measured before it: metrics (R, 5) in the order of METRICS, embeddings (R, p, ...), correct (R, N).
    """

    def __init__(self, task: Task, starts: Sequence[Start], configs: Sequence[RunConfig], device: str, compiled: bool):
        if len({config.shape() for config in configs}) > 1:
            raise ValueError("the runs of an ensemble must have one shape")
        self.lanes = len(configs)
        self._device = torch.device(device)
        self._dtype = getattr(torch, configs[0].dtype)
        self._classify = configs[0].loss == "ce"
        self._decoder_sgd = configs[0].decoder_optimizer == "sgd"
        self._model = starts[0].model.to(self._device, self._dtype)
        self._pairs = torch.as_tensor(task.pairs, device=self._device)
        self._results = torch.as_tensor(task.results, device=self._device)
        first, second = np.triu_indices(len(task.results), k=1)
        same = task.results[first] == task.results[second]
        self._first = torch.as_tensor(first[same], device=self._device)
        self._second = torch.as_tensor(second[same], device=self._device)

        def per_lane(*size: int) -> Tensor:
            return torch.zeros(self.lanes, *size, device=self._device, dtype=self._dtype)

        named = dict(starts[0].model.named_parameters())
        self._parameters = {name: per_lane(*value.shape) for name, value in named.items()}
        self._first_moments = {name: per_lane(*value.shape) for name, value in named.items()}
        self._second_moments = {name: per_lane(*value.shape) for name, value in named.items()}
        self._targets = per_lane(*starts[0].targets.shape)
        self._mask = per_lane(len(task.pairs))
        self._batch = per_lane(len(task.pairs))  # the samples that the next update descends on
        self._rates = {"embedding": per_lane(), "decoder": per_lane()}
        self._decays = {"embedding": per_lane(), "decoder": per_lane()}
        self._warmup = per_lane() + 1
        self._penalty = per_lane()
        self._sgd = torch.zeros(self.lanes, device=self._device, dtype=torch.bool)
        self._updates = torch.zeros(self.lanes, device=self._device, dtype=torch.int64)
        self._corrections = torch.as_tensor(bias_corrections(), dtype=self._dtype, device=self._device)
        self._batches: list[Iterator[NDArray[np.bool_]]] = [start.batches for start in starts]
        self._ahead: Tensor | None = None  # (R, BATCHES, N), once a run with mini-batches has come
        self._used = BATCHES  # how many of those ahead have been trained on
        self.compiled = compiled
        self._step = self._compile() if compiled else self._eager_step
        for lane, (config, start) in enumerate(zip(configs, starts, strict=True)):
            self.load(lane, config, start)

    def load(self, lane: int, config: RunConfig, start: Start) -> None:
        """Put a new run into `lane`, at its first step."""
        with torch.no_grad():
            for name, value in start.model.named_parameters():
                self._parameters[name][lane].copy_(value)
                self._first_moments[name][lane].zero_()
                self._second_moments[name][lane].zero_()
            self._targets[lane].copy_(torch.as_tensor(start.targets))
            self._mask[lane].copy_(torch.as_tensor(start.mask))
            self._batch[lane].copy_(torch.as_tensor(start.mask))
        self._rates["embedding"][lane] = config.repr_lr
        self._rates["decoder"][lane] = config.decoder_lr
        self._decays["embedding"][lane] = config.repr_wd
        self._decays["decoder"][lane] = config.decoder_wd
        self._warmup[lane] = max(config.decoder_warmup, 1)
        self._penalty[lane] = config.repr_l1
        self._sgd[lane] = config.repr_optimizer == "sgd"
        self._updates[lane] = 0
        self._batches[lane] = start.batches
        if config.batch_size is not None and self._ahead is None:
            self._ahead = self._mask.new_zeros(self.lanes, BATCHES, self._mask.shape[1])
        self._draw_ahead([lane])

    def keep(self, lanes: Sequence[int]) -> None:
        """Go on with these lanes only, in this order."""
        for tensors in (self._parameters, self._first_moments, self._second_moments, self._rates, self._decays):
            tensors.update({name: value[lanes].clone() for name, value in tensors.items()})
        for name in ("_targets", "_mask", "_batch", "_warmup", "_penalty", "_sgd", "_updates"):
            setattr(self, name, getattr(self, name)[lanes].clone())
        self._batches = [self._batches[lane] for lane in lanes]
        if self._ahead is not None:
            self._ahead = self._ahead[lanes].clone()
        self.lanes = len(lanes)
        self._step = self._compile() if self.compiled else self._eager_step

    def step(self) -> tuple[Tensor, Tensor, Tensor]:
        with torch.no_grad():
            if self._ahead is not None:
                if self._used == BATCHES:
                    self._used = 0
                    self._draw_ahead(range(self.lanes))
                self._batch.copy_(self._ahead[:, self._used])
                self._used += 1
            return self._step()

    def _draw_ahead(self, lanes: Iterable[int]) -> None:
        """The mini-batches of `lanes` for what is left of the block that all lanes are in."""
        if self._ahead is None:
            return
        for lane in lanes:
            block = [next(self._batches[lane]) for _ in range(self._used, BATCHES)]
            if block:
                self._ahead[lane, self._used :].copy_(torch.as_tensor(np.stack(block)))

    def _compile(self) -> Callable[[], tuple[Tensor, Tensor, Tensor]]:
        """The compiled step; the plain one, with a warning, where this machine cannot compile."""
        # Before each call torch asks whether what it compiled still fits: a tenth of the step. An ensemble never
        # changes its shapes, so it need not ask; but a code object of its own keeps two ensembles apart.
        step = self._eager_step
        own = types.FunctionType(step.__func__.__code__.replace(), step.__func__.__globals__)
        options: dict[str, Any] = {"guard_filter_fn": torch.compiler.skip_all_guards_unsafe}
        if self._device.type == "cpu":
            options["cpp.use_decompose_tanh"] = True  # by an exponential: a third of the time
            # torch keeps on disk what it compiled, and finds it again by these options, but not by the processor: one
            # with shorter vectors (or this one, told to act so by ATEN_CPU_CAPABILITY) would take it, and crash.
            options["cpp.simdlen"] = vector_bits()
        compiled = torch.compile(types.MethodType(own, self), dynamic=False, options=options)

        def first_step() -> tuple[Tensor, Tensor, Tensor]:
            try:
                outputs = compiled()
            except (RuntimeError, OSError) as error:  # no compiler, say, or no place for what it makes
                reason = str(error).splitlines()[0]
                warnings.warn(f"torch.compile failed, training slowly: {reason}", stacklevel=2)
                self._step, self.compiled = self._eager_step, False
                return self._eager_step()
            self._step = compiled
            return outputs

        return first_step

    def _eager_step(self) -> tuple[Tensor, Tensor, Tensor]:
        embedding = self._parameters["embedding"].clone()  # (R, p, d), before the update
        gradients, (_, (outputs, sample_loss)) = vmap(grad_and_value(self._training_loss, has_aux=True))(
            self._parameters, self._targets, self._batch, self._penalty
        )
        n_train = self._mask.sum(1)
        n_test = self._mask.shape[1] - n_train  # 0/0 = nan where everything is trained on
        correct = (self._predictions(outputs) == self._results) & sample_loss.isfinite()  # (R, N)
        hits = correct.to(self._dtype)
        metrics = torch.stack(
            [
                (hits * self._mask).sum(1) / n_train,
                (hits * (1 - self._mask)).sum(1) / n_test,
                self._rqi(embedding),
                (sample_loss * self._mask).sum(1) / n_train,
                (sample_loss * (1 - self._mask)).sum(1) / n_test,
            ],
            dim=1,
        )
        self._update(gradients)
        return metrics, embedding, correct

    def _training_loss(
        self, parameters: dict[str, Tensor], targets: Tensor, batch: Tensor, penalty: Tensor
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """One lane: mean loss over the batch and the penalty; for the metrics, outputs and losses on all of D0."""
        outputs = functional_call(self._model, parameters, (self._pairs,))  # (N, n_outputs)
        if self._classify:
            sample_loss = torch.nn.functional.cross_entropy(outputs, self._results, reduction="none")
        else:
            sample_loss = (outputs - targets[self._results]).square().mean(-1)
        objective = (sample_loss * batch).sum() / batch.sum() + penalty * parameters["embedding"].abs().mean()
        return objective, (outputs, sample_loss)

    def _predictions(self, outputs: Tensor) -> Tensor:
        """Result classes (R, N): the largest output, or the nearest target."""
        if self._classify:
            return outputs.argmax(-1)
        # |f - Y|^2 without |f|^2, which all targets share
        distance = self._targets.square().sum(-1)[:, None, :] - 2 * outputs @ self._targets.transpose(1, 2)
        return distance.argmin(-1)

    def _rqi(self, embedding: Tensor) -> Tensor:
        """Share of P0 whose standardised mean squared residual is below delta^2, (R,)."""
        composed = self._model.compose(self._model.standardize(embedding), self._pairs)  # (R, N, n_features)
        residual = (composed[:, self._first] - composed[:, self._second]).square().mean(-1)
        return (residual < self._model.rqi_delta2).to(self._dtype).mean(1)

    def _update(self, gradients: dict[str, Tensor]) -> None:
        """torch's AdamW, with a learning rate, weight decay and step count a lane; plain SGD for embeddings and
        decoders that ask for it.
        """
        self._updates += 1
        scale, eps = self._corrections[:, self._updates.clamp(max=CORRECTED)]
        # exactly 1 where there is no warm-up, or no more
        warmth = (self._updates / self._warmup).clamp(max=1)
        rates = {"embedding": self._rates["embedding"], "decoder": self._rates["decoder"] * warmth}
        for name, value in self._parameters.items():
            group = "embedding" if name == "embedding" else "decoder"
            lanes = (-1,) + (1,) * (value.dim() - 1)
            rate, gradient = rates[group].view(lanes), gradients[name]
            if group == "decoder" and self._decoder_sgd:
                direction = gradient
            else:
                m, v = self._first_moments[name], self._second_moments[name]
                m.lerp_(gradient, 1 - BETA1)
                v.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
                direction = scale.view(lanes) * m / (v.sqrt() + eps.view(lanes))
                if group == "embedding":  # a lane may ask for either, a shape's decoders all have one
                    direction = torch.where(self._sgd.view(lanes), gradient, direction)
            value.mul_(1 - rate * self._decays[group].view(lanes)).sub_(rate * direction)


def vector_bits() -> int | None:
    """Length of the vectors that this processor's compiled steps use: 0 without any, None where torch is to choose."""
    capability = torch.backends.cpu.get_cpu_capability()
    if capability == "DEFAULT" and platform.machine() in ("x86_64", "AMD64"):
        return 0
    return {"AVX512": 512, "AVX2": 256}.get(capability)


def bias_corrections() -> NDArray[np.float64]:
    """(2, CORRECTED + 1): AdamW's direction after t updates is scale[t] m / (sqrt(v) + eps[t]).

    That is m / (1 - BETA1^t) over sqrt(v / (1 - BETA2^t)) + EPS with one division instead of three, and tabulated
    because 1 - BETA2^t loses four digits in float32 at the first steps.
    """
    updates = np.arange(CORRECTED + 1).clip(min=1)
    root = np.sqrt(-np.expm1(updates * np.log(BETA2)))
    return np.stack([root / -np.expm1(updates * np.log(BETA1)), EPS * root])
