"""R runs advance together: every tensor has a leading run axis, one lane a run.

One step is one function of the lanes' state: forward over all of D0, metrics from that same pass, gradient of
the training loss, update. `torch.func` vectorises the network over the lanes, `torch.compile` fuses the step.

On a CPU a lane's numbers do not depend on what the other lanes hold, nor, from two on, on how many there are (a
test compares bits), so a run resumed in other company gives the same result.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call, grad_and_value, vmap

from neural.config import RunConfig
from neural.models import Start, Task

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8  # AdamW's defaults in torch
RQI_DELTA2 = 0.1**2  # the official code's: mean squared residual of the standardised embedding

METRICS = ("train_accuracy", "test_accuracy", "rqi", "train_loss", "test_loss")


class Ensemble:
    """`lanes` runs of one shape in training.

    `load(lane, config, start)` puts a run into a lane; `step()` advances all lanes by one update and returns what was
    measured before it: metrics (R, 5) in the order of METRICS, embeddings (R, p, d), correct (R, N).
    """

    def __init__(self, task: Task, starts: Sequence[Start], configs: Sequence[RunConfig], device: str, compiled: bool):
        if len({config.shape() for config in configs}) > 1:
            raise ValueError("the runs of an ensemble must have one shape")
        self.lanes = len(configs)
        self._device = torch.device(device)
        self._dtype = getattr(torch, configs[0].dtype)
        self._classify = configs[0].loss == "ce"
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
        self._rates = {"embedding": per_lane(), "decoder": per_lane()}
        self._decays = {"embedding": per_lane(), "decoder": per_lane()}
        self._sgd = torch.zeros(self.lanes, device=self._device, dtype=torch.bool)
        # float64: 1 - 0.999^t loses four digits in float32 at the first steps
        self._updates = torch.zeros(self.lanes, device=self._device, dtype=torch.float64)
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
        self._rates["embedding"][lane] = config.repr_lr
        self._rates["decoder"][lane] = config.decoder_lr
        self._decays["embedding"][lane] = config.repr_wd
        self._decays["decoder"][lane] = config.decoder_wd
        self._sgd[lane] = config.repr_optimizer == "sgd"
        self._updates[lane] = 0

    def step(self) -> tuple[Tensor, Tensor, Tensor]:
        with torch.no_grad():
            return self._step()

    def _compile(self) -> Callable[[], tuple[Tensor, Tensor, Tensor]]:
        """The compiled step; the plain one, with a warning, where this machine cannot compile."""
        torch.compiler.reset()  # torch limits the shapes compiled for one function: start afresh
        compiled = torch.compile(self._eager_step, dynamic=False)

        def first_step() -> tuple[Tensor, Tensor, Tensor]:
            try:
                outputs = compiled()
            except (RuntimeError, OSError) as error:  # no compiler, say, or no place for what it makes
                reason = str(error).splitlines()[0]
                warnings.warn(f"torch.compile failed, training slowly: {reason}", stacklevel=2)
                self._step = self._eager_step
                return self._eager_step()
            self._step = compiled
            return outputs

        return first_step

    def _eager_step(self) -> tuple[Tensor, Tensor, Tensor]:
        embedding = self._parameters["embedding"].clone()  # (R, p, d), before the update
        gradients, (train_loss, (outputs, sample_loss)) = vmap(grad_and_value(self._training_loss, has_aux=True))(
            self._parameters, self._targets, self._mask
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
                train_loss,
                (sample_loss * (1 - self._mask)).sum(1) / n_test,
            ],
            dim=1,
        )
        self._update(gradients)
        return metrics, embedding, correct

    def _training_loss(
        self, parameters: dict[str, Tensor], targets: Tensor, mask: Tensor
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """One lane: mean loss over D, and for the metrics the outputs and losses on all of D0."""
        outputs = functional_call(self._model, parameters, (self._pairs,))  # (N, n_outputs)
        if self._classify:
            sample_loss = torch.nn.functional.cross_entropy(outputs, self._results, reduction="none")
        else:
            sample_loss = (outputs - targets[self._results]).square().mean(-1)
        return (sample_loss * mask).sum() / mask.sum(), (outputs, sample_loss)

    def _predictions(self, outputs: Tensor) -> Tensor:
        """Result classes (R, N): the largest output, or the nearest target."""
        if self._classify:
            return outputs.argmax(-1)
        # |f - Y|^2 without |f|^2, which all targets share
        distance = self._targets.square().sum(-1)[:, None, :] - 2 * outputs @ self._targets.transpose(1, 2)
        return distance.argmin(-1)

    def _rqi(self, embedding: Tensor) -> Tensor:
        """Share of P0 whose standardised mean squared residual is below delta^2, (R,)."""
        standardized = (embedding - embedding.mean(1, keepdim=True)) / embedding.std(1, keepdim=True)
        sums = standardized[:, self._pairs[:, 0]] + standardized[:, self._pairs[:, 1]]  # (R, N, d)
        residual = (sums[:, self._first] - sums[:, self._second]).square().mean(-1)
        return (residual < RQI_DELTA2).to(self._dtype).mean(1)

    def _update(self, gradients: dict[str, Tensor]) -> None:
        """torch's AdamW, with a learning rate, weight decay and step count a lane; plain SGD for embeddings
        that ask for it.
        """
        self._updates += 1
        correction1 = -torch.expm1(self._updates * math.log(BETA1))
        correction2 = -torch.expm1(self._updates * math.log(BETA2))
        for name, value in self._parameters.items():
            group = "embedding" if name == "embedding" else "decoder"
            lanes = (-1,) + (1,) * (value.dim() - 1)
            rate = self._rates[group].view(lanes)
            gradient, m, v = gradients[name], self._first_moments[name], self._second_moments[name]
            m.lerp_(gradient, 1 - BETA1)
            v.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
            root = v.sqrt() / correction2.sqrt().to(self._dtype).view(lanes) + EPS
            direction = m / (correction1.to(self._dtype).view(lanes) * root)
            if group == "embedding":
                direction = torch.where(self._sgd.view(lanes), gradient, direction)
            value.mul_(1 - rate * self._decays[group].view(lanes)).sub_(rate * direction)
