"""Watch a training loop: call it at every step, and it evaluates the network on a
schedule of its own, into a file, without changing anything of the run.
"""

from __future__ import annotations

import base64
import html
import io
import json
import math
import operator
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from matplotlib import rc_context
from matplotlib.figure import Figure
from torch import Tensor, nn

from analysis.logs.log import Log
from analysis.report.look import BLUE, LOOK, ORANGE
from analysis.watch.evaluation import Evaluator, Loss, kind_of, plain, samples, undisturbed
from analysis.watch.file import Looks, read_looks
from analysis.watch.measures import Task, Weights
from neural import ConfigError
from neural._files import replacing

GRACE = 0.03  # seconds that looks may take beyond their share, for early ones
_LINEAR = 32  # steps until which looks are about evenly spaced
_TOLERANCE = 0.1  # standard deviations of the targets within which a number is right


class Watch:
    """What a network is like while it learns.

        watch = Watch(model, train=(x, y), test=(x_test, y_test), out="watched")
        for step in range(steps):
            ...
            watch(step)
        print(watch.verdict())

    It looks at the first step, every few steps from there, and `per_octave` times an
    octave later. A look that would bring its time above GRACE and `share` of the loop's
    is skipped. So which steps have a look may depend on the machine. What a look says
    of its step does not.

    Each look is a line of OUT/looks.csv. What is known of the run is in
    OUT/settings.json. A new Watch on the folder goes on with the file. Where it starts
    at an earlier step than the last one (from a checkpoint, or anew), lines of that
    step and later ones no longer count; `read_looks` leaves them out.

    The run is as it would be without: modes, gradients, buffers and random numbers are
    left as they were. The network is evaluated uncompiled, in evaluation mode, where
    its weights are; of several processes the first one does it.

    A look has the columns
        train_loss, train_accuracy, test_loss, test_accuracy: means. Targets that are
            integers are classes, floats of which all are 1 or -1 signs, rows that are
            one-hot classes too; of other floats the accuracy is the share within
            `tolerance`, by default a tenth of the training targets' standard deviation.
        gradient_norm: of the training loss, over the weights that are trained.
        logit_scale: root mean square over training samples of |l - mean(l)|, l a
            sample's logits, whose mean softmax does not see. One-hot outputs of C
            classes have sqrt(1 - 1/C). It is what ln(steps to grok) is linear in by
            2606.18465, where outputs of mean squared error have about 1 too; the form
            is ours.
        softmax_lost_float16, softmax_lost_float32: the share of training samples whose
            loss is 0 in that precision, because 1 plus what all other classes have is
            1; they train no more ("softmax collapse", 2501.04697).
        weight_norm, last_layer_norm, norm/NAME: Euclidean, of all weights, of
            `last_layer` and of each tensor; largest_weight: the infinity norm.
        effective_dimension: of the `embedding` (analysis.measures.components).
        fourier_gini, ring_quality: of that of addition modulo p
            (analysis.measures.rings).
        restricted_loss, excluded_loss: of a group, if training and test samples are all
            pairs (analysis.measures.waves), with the parts that matter at that step.

    Args:
        model: any network; compiled or DistributedDataParallel ones as well.
        train: inputs and targets; several inputs are a tuple.
        test: likewise; without it there are no curves of test samples.
        out: the folder.
        task: the operation that is learned, "modular_addition" and so on with `p`, or
            one of efftheory's.
        embedding: name of the tensor (symbols, d) in `named_parameters`; by default the
            first nn.Embedding's.
        last_layer: likewise; by default the last matrix.
        optimizer: whose learning rate and weight decay are written down.
        loss: of outputs and targets, their mean; by default cross-entropy of integers,
            mean squared error of floats.
        output: what of that which the network gives are the outputs; by default the
            first tensor of their shape.
        settings: what else is known of the run: budget, seed, ...
        share: of the loop's time; inf makes all looks.
        at_most: samples of either kind; of more, so many are drawn with `seed`.
        chunk: samples at a time.

    Raises:
        ConfigError: something is not what it must be.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        train: Any,
        test: Any = None,
        out: str | Path = "watched",
        task: Any = None,
        p: int | None = None,
        embedding: str | None = None,
        last_layer: str | None = None,
        optimizer: torch.optim.Optimizer | None = None,
        loss: Loss | None = None,
        output: Callable[[Any], Tensor] | None = None,
        tolerance: float | None = None,
        settings: Mapping[str, Any] = {},
        share: float = 0.03,
        per_octave: int = 12,
        at_most: int = 2**14,
        chunk: int = 2**12,
        seed: int = 0,
    ):
        if not isinstance(model, nn.Module):
            raise ConfigError(f"`model` must be a torch.nn.Module, but is a {type(model).__name__}.")
        for name, value in {"share": share, "per_octave": per_octave, "at_most": at_most, "chunk": chunk}.items():
            if not value > 0:
                raise ConfigError(f"`{name}` must be above 0, but is {value!r}.")
        self.model, self.out = model, Path(out)
        self._share, self._per_octave, self._seed = share, per_octave, seed
        self._train = samples("train", train, at_most, seed)
        self._test = None if test is None else samples("test", test, at_most, seed)
        kind, targets = kind_of(self._train.targets), self._train.targets
        if tolerance is None:
            tolerance = _TOLERANCE * float(targets.double().std()) if kind == "numbers" else 0.0
        self._evaluate = Evaluator(kind, loss, output, tolerance, chunk)
        self._task = None if task is None else Task(task, p, self._train, self._test)
        self._weights = Weights(plain(model), embedding, last_layer, self._task)
        self._last: int | None = None  # step, and the last that was looked at
        self._seen: int | None = None
        self._began, self._loop, self._spent = 0.0, 0.0, 0.0  # seconds; of the loop without looks, and of these
        self._quickest, self._drawing = math.inf, 0.0
        self.skipped = 0
        self._handle: Any = None
        row = self._measured()  # what does not fit is said before the loop
        self._looks = Looks(self.out / "looks.csv", ["step", *row]) if _is_first_process() else None
        if self._looks:
            known = self._known(p) | _of_optimizer(optimizer) | dict(settings)
            with replacing(self.out / "settings.json") as file:
                file.write_text(json.dumps(known, indent=2, default=str) + "\n", encoding="utf-8")
            if _in_notebook():
                self.show()

    def __call__(self, step: int) -> None:
        """To be called at every step, after the update; the same step twice is one.

        ConfigError: an earlier step than the last one.
        """
        now, before = time.perf_counter(), self._last
        try:
            step = operator.index(step)
        except TypeError:
            step = -1
        if step < 0:
            raise ConfigError("`step` must be a whole number of at least 0.")
        if before is None:
            self._began = now
        elif step < before:
            raise ConfigError(
                f"`step` must grow through the whole run, also over epochs, but {step} comes after {before}; "
                "what goes on from a checkpoint needs a new Watch."
            )
        self._loop = now - self._began - self._spent
        due = before is None or self._place(step) > self._place(before)
        self._last = step
        if due and self._looks:
            if self._is_affordable(self._quickest, GRACE) or before is None:
                self.look(step)
            else:
                self.skipped += 1

    def look(self, step: int) -> None:
        """Look now, whatever the schedule says: at the end, say."""
        if not self._looks:
            return
        device = next(self.model.parameters()).device
        if device.type == "cuda":
            torch.cuda.synchronize(device)  # what has been asked for before is the loop's
        began = time.perf_counter()
        self._looks.add({"step": int(step)} | self._measured())
        self._seen = int(step)
        self._quickest = min(self._quickest, time.perf_counter() - began)
        if self._handle is not None and self._is_affordable(self._drawing):
            self._draw()
        self._spent += time.perf_counter() - began

    @property
    def log(self) -> Log:
        """The looks so far, as forecasts and verdicts take them."""
        looks = read_looks(self.out / "looks.csv")
        known = self.out / "settings.json"
        curves = {str(name): looks[name].to_numpy(float) for name in looks if name != "step"}
        return Log(
            name=self.out.name,
            steps=looks["step"].to_numpy(float),
            curves=curves,
            settings=json.loads(known.read_text(encoding="utf-8")) if known.exists() else {},
            source=str(self.out / "looks.csv"),
        )

    def verdict(self) -> Any:
        """What the run so far says, looked at once more, and what to do about it."""
        from analysis.forecast.model import forecast
        from analysis.verdict import judge

        if self._last is not None and self._last != self._seen:
            self.look(self._last)
        log = self.log
        return judge(
            log, task=self._task.judged if self._task else None, forecast=forecast(log) if len(log.steps) else None
        )

    @property
    def cost(self) -> float:
        """Seconds spent on looks, as a share of the loop's other seconds."""
        return self._spent / self._loop if self._loop else math.nan

    def figure(self) -> Figure:
        """Accuracies, losses and the norm so far."""
        log = self.log
        with rc_context(LOOK):
            figure = Figure(figsize=(9, 2.4))
            panels: Any = figure.subplots(1, 3)
            for axes, name in zip(panels, ("accuracy", "loss", "weight_norm"), strict=True):
                for which, colour in (("train_", BLUE), ("test_", ORANGE), ("", BLUE)):
                    if which + name in log.curves:
                        axes.plot(log.steps, log.curves[which + name], color=colour, label=which.strip("_"))
                axes.set(title=name.replace("_", " "), xlabel="step", yscale="log" if name == "loss" else "linear")
                axes.set_xscale("symlog", linthresh=10)
            panels[0].legend()
        return figure

    def show(self) -> None:
        """In a notebook the picture, which then follows the run; elsewhere one line."""
        if not _in_notebook():
            print(self)
            return
        from IPython.display import display  # pyright: ignore[reportMissingImports]

        self._handle = display(self, display_id=True)

    def _draw(self) -> None:
        began = time.perf_counter()
        self._handle.update(self)
        self._drawing = time.perf_counter() - began

    def __repr__(self) -> str:
        log = self.log
        if not len(log.steps):
            return f"Watch: no looks yet, {self.out}"
        now = ", ".join(
            f"{name.replace('_', ' ')} {log.curves[name][-1]:.4g}"
            for name in ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
            if name in log.curves
        )
        cost = f", {self.skipped} skipped, {self.cost:.1%} of the loop's time" if self._loop else ""
        return f"Watch: {len(log.steps)} looks until step {log.steps[-1]:,.0f} ({now}){cost}, {self.out}"

    def _repr_html_(self) -> str:
        line, png = f"<p>{html.escape(repr(self))}</p>", io.BytesIO()
        if self._last is None:
            return line
        self.figure().savefig(png, format="png", dpi=96)
        return f'{line}<img src="data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}">'

    def _known(self, p: int | None) -> dict[str, Any]:
        """Settings of the run, and of the evaluation."""
        both = {"train": self._train, "test": self._test}
        drawn = {of: len(some.targets) for of, some in both.items() if some and len(some.targets) < some.of}
        known = {f"n_{of}": some.of if some else 0 for of, some in both.items()}
        loss, usual = self._evaluate.loss, "ce" if self._evaluate.kind == "classes" else "mse"
        if self._test:
            known["fraction"] = self._train.of / (self._train.of + self._test.of)
        known |= {"operation": self._task.name, "p": self._task.p} if self._task else {} if p is None else {"p": p}
        return known | {
            "parameters": sum(weight.numel() for weight in plain(self.model).parameters()),
            "dtype": str(next(self.model.parameters()).dtype)[6:],
            "loss": getattr(loss, "__name__", type(loss).__name__) if loss else usual,
            "targets": self._evaluate.kind,
            "tolerance": self._evaluate.tolerance,
            "embedding": self._weights.embedding,
            "last_layer": self._weights.last_layer,
            "samples_drawn": drawn | {"seed": self._seed} if drawn else "all",
        }

    def _measured(self) -> dict[str, float]:
        model = plain(self.model)
        keep = self._task is not None and self._task.places is not None
        with undisturbed(model, self._seed):
            evaluations = {"train": self._evaluate(model, self._train, gradient=True, keep=keep)}
            if self._test:
                evaluations["test"] = self._evaluate(model, self._test, keep=keep)
        train = evaluations["train"].means
        row = {f"{of}_{name}": one.means[name] for of, one in evaluations.items() for name in ("loss", "accuracy")}
        row |= {name: value for name, value in train.items() if name not in ("loss", "accuracy")}
        row |= self._weights.measured(model)
        if self._task:
            row |= self._task.restricted([one.outputs for one in evaluations.values() if one.outputs is not None])
        return row

    def _place(self, step: int) -> int:
        return math.floor(self._per_octave * math.log2(1 + step / _LINEAR))

    def _is_affordable(self, seconds: float, grace: float = 0.0) -> bool:
        return (self._spent + seconds - grace) / self._share <= self._loop


def _of_optimizer(optimizer: torch.optim.Optimizer | None) -> dict[str, Any]:
    """Its settings; where groups differ, those of the one with the most weights."""
    if optimizer is None:
        return {}
    group = max(optimizer.param_groups, key=lambda group: sum(weight.numel() for weight in group["params"]))
    names = {"lr": "learning_rate", "weight_decay": "weight_decay"}
    known = {ours: float(group[theirs]) for theirs, ours in names.items() if theirs in group}
    return {"optimizer": type(optimizer).__name__} | known


def _is_first_process() -> bool:
    distributed = torch.distributed
    return not (distributed.is_available() and distributed.is_initialized()) or distributed.get_rank() == 0


def _in_notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")
