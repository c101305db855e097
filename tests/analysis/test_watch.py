"""A watched run is the run that it would be, and what is written of it is right."""

from __future__ import annotations

import copy
import random
import sys
import types
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import efftheory as et
from analysis.logs.read import read_logs
from analysis.measures import waves
from analysis.measures.components import effective_dimension
from analysis.measures.rings import fourier_shares, gini, ring_rqi
from analysis.watch import Watch, loop, read_looks
from analysis.watch.evaluation import Evaluator, kind_of, samples
from neural import ConfigError
from tests.tolerances import assert_close

P = 7
PAIRS = torch.cartesian_prod(torch.arange(P), torch.arange(P))
SUMS = PAIRS.sum(1) % P
ORDER = torch.randperm(P * P, generator=torch.Generator().manual_seed(1))
TRAIN, TEST = (PAIRS[ORDER[:30]], SUMS[ORDER[:30]]), (PAIRS[ORDER[30:]], SUMS[ORDER[30:]])
FLOAT32 = 1e-5  # relative, of a loss or gradient whose sums float32 takes in another order


class Network(nn.Module):
    """All that a look could disturb: dropout, running statistics, a module that stays
    in evaluation mode, weights that are not trained, a buffer and a weight that every
    call changes, and random numbers of three kinds in every call.
    """

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(P, 6)
        self.up = nn.Linear(12, 16)
        self.batch, self.held = nn.BatchNorm1d(16), nn.BatchNorm1d(16)
        self.drop, self.down = nn.Dropout(0.2), nn.Linear(16, P)
        self.up.bias.requires_grad_(False)
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        with torch.no_grad():
            self.down.bias.mul_(0.9)
        noise = 1e-3 * (torch.rand(1) + random.random() + np.random.random())
        h = self.held(self.batch(self.up(self.embed(x).flatten(1)))) + noise
        return self.down(self.drop(torch.relu(h)))


def network() -> Network:
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)
    model = Network()
    model.held.eval()
    return model


def trained(
    out: Path | None, wrapped: Callable[[nn.Module], nn.Module] = lambda model: model, around: Any = nullcontext
) -> tuple[nn.Module, dict[str, Any]]:
    """A run of 40 steps, watched at each of them where there is a folder; its network,
    and all that there is at its end.
    """
    torch.compiler.reset()
    model = wrapped(network())
    optimizer = torch.optim.AdamW([one for one in model.parameters() if one.requires_grad], lr=1e-2)
    watch = None
    if out:
        watch = Watch(model, train=TRAIN, test=TEST, out=out, task="modular_addition", p=P, share=np.inf)
    with around():
        for step in range(40):
            batch = torch.randperm(30)[:20]
            loss = F.cross_entropy(model(TRAIN[0][batch]), TRAIN[1][batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if watch:
                watch(step)
    return model, {
        "state": model.state_dict(),
        "gradients": [one.grad for one in model.parameters()],
        "trained": [one.requires_grad for one in model.parameters()],
        "optimizer": optimizer.state_dict(),
        "modes": [module.training for module in model.modules()],
        "random": (torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()),  # pyright: ignore
        "autocast cache": torch.is_autocast_cache_enabled(),
    }


def same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def compiled(model: nn.Module) -> nn.Module:
    return torch.compile(model, backend="aot_eager")  # pyright: ignore[reportReturnType]


def compiled_in_part(model: nn.Module) -> nn.Module:
    return nn.Sequential(compiled(model), nn.Identity())


def autocast() -> Any:
    return torch.autocast("cpu", torch.bfloat16)


@pytest.mark.parametrize(
    ("wrapped", "around"),
    [(lambda model: model, nullcontext), (lambda model: model, autocast), (compiled, nullcontext)],
    ids=["plain", "autocast", "compiled"],
)
def test_the_watched_run_is_the_unwatched_one(tmp_path: Path, wrapped: Any, around: Any) -> None:
    """Weights, buffers, gradients, optimiser, modes, flags and random states, all bits;
    while every look had a line.
    """
    _, alone = trained(None, wrapped, around)
    _, watched = trained(tmp_path, wrapped, around)
    assert [name for name in alone if not same(alone[name], watched[name])] == []
    assert len(read_looks(tmp_path / "looks.csv")) > 10
    assert alone["state"][next(name for name in alone["state"] if name.endswith("calls"))] == 40


def test_the_comparison_sees_a_bit() -> None:
    _, run = trained(None)
    other = copy.deepcopy(run)
    other["state"]["down.weight"].view(torch.int32)[0, 0] ^= 1
    assert [name for name in run if not same(run[name], other[name])] == ["state"]


@pytest.mark.parametrize("wrapped", [compiled, compiled_in_part])
def test_a_look_compiles_nothing(tmp_path: Path, wrapped: Any) -> None:
    """Else the run's own compiled code could be thrown away, for too many of them."""
    torch.compiler.reset()
    model = wrapped(quiet())
    model(TRAIN[0])
    before = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    Watch(model, train=TRAIN, test=TEST, out=tmp_path).look(0)
    model(TRAIN[0])
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == before > 0


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_it_may_be_called_where_no_gradients_are_taken(tmp_path: Path, context: Any) -> None:
    watch = Watch(network(), train=TRAIN, out=tmp_path)
    with context():
        watch(0)
        assert not torch.is_grad_enabled()
    assert read_looks(tmp_path / "looks.csv").gradient_norm[0] > 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu(tmp_path: Path) -> None:
    """Samples come to the network, and CUDA's random numbers stay what they were."""
    model = network().cuda()
    model.drop.register_forward_hook(lambda *_: torch.rand(1, device="cuda"))
    before = torch.cuda.get_rng_state()
    Watch(model, train=TRAIN, test=TEST, out=tmp_path)(0)
    assert torch.equal(before, torch.cuda.get_rng_state())
    assert next(model.parameters()).is_cuda
    assert not TRAIN[0].is_cuda


# --- what a look says ---


def quiet() -> nn.Module:
    """Without randomness in evaluation mode."""
    torch.manual_seed(3)
    return nn.Sequential(nn.Embedding(P, 6), nn.Flatten(), nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, P), nn.Dropout())


def test_every_number_by_its_definition(tmp_path: Path) -> None:
    """By another way, from the network itself."""
    model = quiet()
    Watch(model, train=TRAIN, test=TEST, out=tmp_path, task="modular_addition", p=P)(5)
    [row] = read_looks(tmp_path / "looks.csv").to_dict("records")
    other = copy.deepcopy(model).double().train(False)
    logits = other(TRAIN[0])
    loss = F.cross_entropy(logits, TRAIN[1])
    loss.backward()
    weights = {name: one.detach().numpy() for name, one in other.named_parameters()}
    slope = np.concatenate([one.grad.numpy().ravel() for one in other.parameters()])  # pyright: ignore
    centred = logits.detach().numpy() - logits.detach().numpy().mean(1, keepdims=True)
    cube, E = other(PAIRS).detach().numpy().reshape(P, P, P), weights["0.weight"]
    keys, group = waves.key_parts(cube, waves.cyclic(P)), waves.cyclic(P)
    kept, left = waves.restricted(cube, group, keys).reshape(-1, P), waves.excluded(cube, group, keys).reshape(-1, P)
    expected = {
        "step": 5,
        "train_loss": loss.item(),
        "train_accuracy": float((logits.argmax(1) == TRAIN[1]).double().mean()),
        "test_loss": float(F.cross_entropy(other(TEST[0]), TEST[1])),
        "test_accuracy": float((other(TEST[0]).argmax(1) == TEST[1]).double().mean()),
        "logit_scale": np.sqrt((centred**2).sum(1).mean()),
        "softmax_lost_float16": 0.0,
        "softmax_lost_float32": 0.0,
        "gradient_norm": np.linalg.norm(slope),
        "weight_norm": np.sqrt(sum((one**2).sum() for one in weights.values())),
        "last_layer_norm": np.linalg.norm(weights["4.weight"]),
        "largest_weight": max(abs(one).max() for one in weights.values()),
        "effective_dimension": effective_dimension(E),
        "fourier_gini": gini(np.sqrt(fourier_shares(E))),
        "ring_quality": ring_rqi(E),
        "restricted_loss": waves.mean_cross_entropy(kept[ORDER[30:]], SUMS[ORDER[30:]]),
        "excluded_loss": waves.mean_cross_entropy(left[ORDER[:30]], SUMS[ORDER[:30]]),
    } | {f"norm/{name}": np.linalg.norm(one) for name, one in weights.items()}
    assert row.keys() == expected.keys()
    assert row == pytest.approx(expected, rel=FLOAT32)


def test_a_pair_may_be_given_in_several_ways(tmp_path: Path) -> None:
    """As tokens with an equals sign, as two inputs, as one-hot codes: the restricted
    loss is that of the pairs.
    """
    model = quiet().eval()
    ways: dict[str, tuple[Callable[[Tensor], Any], Callable[..., Tensor]]] = {
        "tokens": (lambda x: torch.cat([x, torch.full((len(x), 1), P)], 1), lambda x: model(x[:, :2])),
        "two": (lambda x: (x[:, 0], x[:, 1]), lambda a, b: model(torch.stack([a, b], 1))),
        "codes": (
            lambda x: F.one_hot(x, P).flatten(1).float(),
            lambda x: model(x.unflatten(1, (2, P)).argmax(2)),
        ),
    }
    Watch(model, train=TRAIN, test=TEST, out=tmp_path / "pairs", task="modular_addition", p=P)(0)
    expected = read_looks(tmp_path / "pairs/looks.csv").restricted_loss[0]
    for name, (given_as, call) in ways.items():
        other = copy.deepcopy(model)
        other.forward = call  # pyright: ignore
        train, test = ((given_as(x), y) for x, y in (TRAIN, TEST))
        Watch(other, train=train, test=test, out=tmp_path / name, task=et.modular_addition(P), embedding="0.weight")(0)
        assert read_looks(tmp_path / name / "looks.csv").restricted_loss[0] == pytest.approx(expected, rel=FLOAT32)


def test_chunks_change_nothing(tmp_path: Path) -> None:
    for chunk in (4, 1000):
        Watch(quiet(), train=TRAIN, test=TEST, out=tmp_path / str(chunk), chunk=chunk)(0)
    one, other = (read_looks(tmp_path / name / "looks.csv") for name in ("4", "1000"))
    pd.testing.assert_frame_equal(one, other, rtol=FLOAT32)


def test_of_many_samples_some_are_drawn(tmp_path: Path) -> None:
    """The same every time; settings.json says so, and has the number of all."""
    for name in ("a", "b"):
        Watch(quiet(), train=TRAIN, out=tmp_path / name, at_most=8, seed=2)(0)
    one, other = (read_looks(tmp_path / name / "looks.csv") for name in ("a", "b"))
    pd.testing.assert_frame_equal(one, other)
    assert one.train_accuracy[0] * 8 == round(one.train_accuracy[0] * 8)
    known = Watch(quiet(), train=TRAIN, out=tmp_path / "a", at_most=8, seed=2).log.settings
    assert (known["n_train"], known["samples_drawn"]) == (30, {"train": 8, "seed": 2})


@given(st.lists(st.floats(-60, 60), min_size=1, max_size=20))
def test_lost_in_the_softmax_is_a_loss_of_zero(gaps: list[float]) -> None:
    """Of two classes: as torch's own loss in float32 has it, but within a thousandth of
    the gap from where it begins.
    """
    edge = -np.log(torch.finfo(torch.float32).eps / 2)
    logits = torch.tensor([[gap, 0.0] for gap in gaps if abs(gap - edge) > edge / 1000] or [[0.0, 0.0]])
    labels = torch.zeros(len(logits), dtype=torch.long)
    found = Evaluator("classes", None, None, 0, 100)(nn.Identity(), samples("x", (logits, labels), 100, 0)).means
    zero = F.cross_entropy(logits, labels, reduction="none") == 0
    assert found["softmax_lost_float32"] == pytest.approx(float(zero.double().mean()))


def test_the_scale_of_one_hot_outputs() -> None:
    outputs = torch.eye(5)[torch.arange(20) % 5] + 3.0
    found = Evaluator("classes", None, None, 0, 7)(nn.Identity(), samples("x", (outputs, outputs.argmax(1)), 99, 0))
    assert_close(found.means["logit_scale"], np.sqrt(1 - 1 / 5))
    assert found.means["accuracy"] == 1


def evaluated(outputs: Any, targets: Any, **options: Any) -> dict[str, float]:
    some = samples("train", (torch.as_tensor(outputs), targets), 100, 0)
    defaults = {"loss": None, "output": None, "tolerance": 0.1, "chunk": 2}
    return Evaluator(kind=kind_of(some.targets), **defaults | options)(nn.Identity(), some).means


def test_targets_of_all_kinds() -> None:
    """Classes, also at each position of a sequence, some of which do not count; one
    logit; signs; one-hot rows; numbers.
    """
    logits = torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([[0, 1, 2], [3, 4, -100], [-100, -100, -100], [1, 1, 1]])
    there = targets != -100
    expected = float(F.cross_entropy(logits[there], targets[there]))
    found = evaluated(logits, targets)
    assert found["loss"] == pytest.approx(expected, rel=FLOAT32)
    assert found["accuracy"] == float((logits[there].argmax(-1) == targets[there]).double().mean())

    one, truth = torch.tensor([[2.0], [-1.0], [0.5], [-3.0]]), torch.tensor([1, 0, 0, 0])
    found = evaluated(one, truth)
    assert found["loss"] == pytest.approx(float(F.binary_cross_entropy_with_logits(one[:, 0], truth.float())))
    assert found["accuracy"] == 0.75
    assert evaluated(one, 2.0 * truth - 1)["accuracy"] == 0.75

    rows = torch.eye(3)[torch.tensor([0, 1, 2, 2])]
    found = evaluated(rows * 0.8, rows)
    assert found["accuracy"] == 1
    assert found["loss"] == pytest.approx(0.2**2 / 3)

    numbers = torch.tensor([0.0, 0.5, 2.0, 7.0])
    found = evaluated(numbers[:, None] + torch.tensor([[0.05], [-0.05], [0.2], [0.0]]), numbers)
    assert found == {"loss": pytest.approx(0.045 / 4, rel=FLOAT32), "accuracy": 0.75}


def test_a_loss_of_ones_own() -> None:
    """Called with the outputs that belong to the targets; a number, or one a sample."""
    for loss in (F.l1_loss, lambda out, y: (out - y).abs()):
        assert evaluated([[1.0], [2.0], [5.0]], torch.tensor([0.0, 0.5, 1.0]), loss=loss)["loss"] == pytest.approx(
            6.5 / 3
        )


# --- six wrong uses, and more ---


def test_without_test_data_there_are_the_other_curves(tmp_path: Path) -> None:
    Watch(quiet(), train=TRAIN, out=tmp_path, task="modular_addition", p=P)(0)
    looks = read_looks(tmp_path / "looks.csv")
    assert {"train_loss", "fourier_gini"} <= set(looks)
    assert not {"test_loss", "restricted_loss"} & set(looks)


def test_samples_come_to_the_network(tmp_path: Path) -> None:
    """It may be on another device than they are: "meta" stands for one here, from which
    no number comes back.
    """
    seen = []

    class Elsewhere(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Linear(2, P, device="meta")

        def forward(self, x: Tensor) -> Tensor:
            seen.append(x.device.type)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        Watch(Elsewhere(), train=(TRAIN[0].float(), TRAIN[1]), out=tmp_path)
    assert seen == ["meta"]


def test_wrapped_networks_are_those_within(tmp_path: Path) -> None:
    """Compiled, spread over processes, or both: the same numbers and names."""
    distributed: Any = torch.distributed
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    try:
        spread = nn.parallel.DistributedDataParallel(quiet())
        for name, model in {"plain": quiet(), "spread": spread, "both": torch.compile(spread)}.items():
            Watch(model, train=TRAIN, test=TEST, out=tmp_path / name)(0)  # pyright: ignore
    finally:
        distributed.destroy_process_group()
    texts = {(tmp_path / name / "looks.csv").read_text() for name in ("plain", "spread", "both")}
    assert len(texts) == 1


def test_only_the_first_process_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    watch = Watch(quiet(), train=TRAIN, out=tmp_path / "out")
    watch(0)
    watch.look(1)
    assert not (tmp_path / "out").exists()


def test_of_several_outputs_the_first_that_fits(tmp_path: Path) -> None:
    model = quiet().eval()
    inner, call = model.forward, copy.deepcopy(model)
    outputs: dict[str, Any] = {
        "one": inner,
        "tuple": lambda x: (x.float().mean(), (x.float()[:, :1, None], inner(x)), inner(x) + 1),
        "mapping": lambda x: {"loss": torch.ones(()), "logits": inner(x)},
        "object": lambda x: types.SimpleNamespace(logits=inner(x)),
        "chosen": lambda x: torch.stack([inner(x) + 1, inner(x)], 1),
    }
    losses = set()
    for name, forward in outputs.items():
        call.forward = forward
        chosen = (lambda out: out[:, -1]) if name == "chosen" else None
        Watch(call, train=TRAIN, out=tmp_path / name, output=chosen)(0)
        losses.add(read_looks(tmp_path / name / "looks.csv").train_loss[0])
    assert len(losses) == 1
    with pytest.raises(ConfigError, match=r"`output` must choose outputs \(30, 'classes'\) or .* are \(30, 2, 7\)"):
        Watch(call, train=TRAIN, out=tmp_path / "none")


def test_nan_is_written_down(tmp_path: Path) -> None:
    """And the run goes on; the embedding has no dimension then."""
    model = quiet()
    watch = Watch(model, train=TRAIN, test=TEST, out=tmp_path, task="modular_addition", p=P)
    watch(0)
    with torch.no_grad():
        for weight in model.parameters():
            weight[0] = torch.nan
    watch(4)
    first, last = read_looks(tmp_path / "looks.csv").drop(columns="step").to_numpy()
    assert np.isfinite(first).all()
    columns = list(read_looks(tmp_path / "looks.csv").columns)[1:]
    finite = [name for name, value in zip(columns, last, strict=True) if np.isfinite(value)]
    assert finite == ["softmax_lost_float16", "softmax_lost_float32"]
    assert ",nan," in (tmp_path / "looks.csv").read_text()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"train": TRAIN[0]}, "`train` must be a pair (x, y) of as many inputs as targets, but is a Tensor."),
        ({"train": (TRAIN[0], TRAIN[1][:5])}, "but they have 30, 5 of int64."),
        ({"train": ("a", TRAIN[1])}, "but they are str and Tensor."),
        ({"embedding": "0.wight"}, "`embedding` must name a tensor of the network, 0.weight say, but is '0.wight'."),
        ({"embedding": "4.bias"}, "`embedding` must name a tensor (symbols, d), but 4.bias has shape (7,)."),
        ({"task": "modular_adition", "p": P}, "`task` must be one of modular_addition, "),
        ({"task": "modular_addition"}, "with p=, or an operation of efftheory, but is 'modular_addition' with p=None."),
        ({"task": "division", "p": P}, "`task` must have the targets as results, but division of "),
        ({"model": nn.Identity()}, "`model` must have weights, but has none."),
        ({"share": 0.0}, "`share` must be above 0, but is 0.0."),
        ({"model": None}, "`model` must be a torch.nn.Module, but is a NoneType."),
    ],
)
def test_what_cannot_be_watched(tmp_path: Path, options: dict[str, Any], says: str) -> None:
    """One line, before the loop, and no file."""
    given = {"model": quiet(), "train": TRAIN, "test": TEST, "out": tmp_path / "out"} | options
    if isinstance(given["model"], nn.Identity):
        given |= {"train": (torch.eye(P), torch.arange(P)), "test": None}
    with pytest.raises(ConfigError) as error:
        Watch(**given)
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


# --- when it looks ---


def steps_of(folder: Path) -> list[int]:
    return read_looks(folder / "looks.csv").step.astype(int).tolist()


def test_the_schedule(tmp_path: Path) -> None:
    """Every few steps at first, twelve times an octave later, whether it is called at
    each step or not.
    """
    watch = Watch(quiet(), train=TRAIN, out=tmp_path / "all", share=np.inf)
    row = watch._measured()
    watch._measured = lambda: row
    for step in range(4000):
        watch(step)
    steps = steps_of(tmp_path / "all")
    assert steps[:6] == [0, 2, 4, 7, 9, 11]
    octave = [step for step in steps if 1000 <= step < 2 * 1000 + 32]
    assert len(octave) == 12
    sparse = Watch(quiet(), train=TRAIN, out=tmp_path / "some", share=np.inf)
    sparse._measured = watch._measured
    for step in range(0, 4000, 500):
        sparse(step)
    assert steps_of(tmp_path / "some") == list(range(0, 4000, 500))


def test_looks_that_cost_too_much_are_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock of our own: a step takes 1 ms, a look 20. The time stays in its share,
    and what is left are lines of the full schedule.
    """
    clock = [0.0]
    monkeypatch.setattr(loop.time, "perf_counter", lambda: clock[0])

    def run(share: float) -> Watch:
        watch = Watch(quiet(), train=TRAIN, out=tmp_path / str(share), share=share)
        measured = watch._measured

        def look() -> dict[str, float]:
            clock[0] += 0.02
            return measured()

        watch._measured = look  # pyright: ignore
        for step in range(3000):
            clock[0] += 0.001
            watch(step)
        return watch

    watch = run(0.04)
    assert 0.03 < watch.cost <= (0.04 * 3 + loop.GRACE) / 3 < 0.06
    run(np.inf)
    some, full = (read_looks(tmp_path / name / "looks.csv") for name in ("0.04", "inf"))
    assert len(some) + watch.skipped == len(full) > 70
    assert watch.skipped > 10
    pd.testing.assert_frame_equal(some, full[full.step.isin(some.step)].reset_index(drop=True))


def test_a_step_is_looked_at_once_and_none_comes_back(tmp_path: Path) -> None:
    watch = Watch(quiet(), train=TRAIN, out=tmp_path, share=np.inf)
    for step in (0, 0, 100, 100):
        watch(step)
    assert (tmp_path / "looks.csv").read_text().count("\n") == 3
    with pytest.raises(
        ConfigError, match="`step` must grow through the whole run, also over epochs, but 7 comes after"
    ):
        watch(7)
    for step in (-1, 1.5, None):
        with pytest.raises(ConfigError, match="`step` must be a whole number of at least 0"):
            watch(step)  # pyright: ignore


# --- the file ---


def test_a_run_that_goes_on(tmp_path: Path) -> None:
    """After a kill in the middle of a line, from a checkpoint at step 100: its lines
    are added, and those of later steps no longer count.
    """
    watch = Watch(quiet(), train=TRAIN, out=tmp_path, share=np.inf)
    for step in (0, 50, 100, 150, 200):
        watch(step)
    file = tmp_path / "looks.csv"
    file.write_bytes(file.read_bytes()[:-9])
    assert steps_of(tmp_path) == [0, 50, 100, 150]
    before = file.read_bytes()
    watch = Watch(quiet(), train=TRAIN, out=tmp_path, share=np.inf)
    assert steps_of(tmp_path) == [0, 50, 100, 150]
    watch(120)
    assert steps_of(tmp_path) == [0, 50, 100, 120]
    assert file.read_bytes().startswith(before[: before.rfind(b"\n") + 1])
    watch(150)
    watch(300)
    assert steps_of(tmp_path) == [0, 50, 100, 120, 150, 300]
    assert pd.read_csv(file).step.tolist() == [0, 50, 100, 150, 120, 150, 300]


def test_another_network_needs_another_folder(tmp_path: Path) -> None:
    Watch(quiet(), train=TRAIN, out=tmp_path)(0)
    with pytest.raises(ConfigError, match="`out` must be a new folder, or one of the same network"):
        Watch(quiet(), train=TRAIN, test=TEST, out=tmp_path)


@given(st.lists(st.integers(0, 12), max_size=12), st.binary(max_size=3))
def test_the_lines_that_count(tmp_path_factory: pytest.TempPathFactory, steps: list[int], torn: bytes) -> None:
    """By hand: each line takes the place of those at its step or later."""
    file = tmp_path_factory.mktemp("file") / "looks.csv"
    lines = [f"{step},{k}.5\n" for k, step in enumerate(steps)]
    file.write_bytes(b"step,train_loss\n" + "".join(lines).encode() + torn.replace(b"\n", b""))
    kept: list[tuple[int, float]] = []
    for k, step in enumerate(steps):
        kept = [one for one in kept if one[0] < step] + [(step, k + 0.5)]
    found = read_looks(file)
    assert list(zip(found.step, found.train_loss, strict=True)) == kept


def test_no_file_is_no_looks(tmp_path: Path) -> None:
    assert len(read_looks(tmp_path / "looks.csv")) == 0


# --- what reads it ---


def test_the_log(tmp_path: Path) -> None:
    model = quiet()
    optimizer = torch.optim.SGD(
        [{"params": model[0].parameters(), "lr": 5.0}, {"params": model[2:].parameters()}],  # pyright: ignore
        lr=0.1,
        weight_decay=0.01,
    )
    given: dict[str, Any] = {"task": "modular_addition", "p": P, "optimizer": optimizer, "settings": {"seed": 9}}
    watch = Watch(model, train=TRAIN, test=TEST, out=tmp_path, **given)
    assert len(watch.log.steps) == 0
    assert repr(watch).startswith("Watch: no looks yet")
    watch(0)
    watch.look(9)
    log = watch.log
    assert log.steps.tolist() == [0, 9]
    assert {"train_loss", "test_loss", "train_accuracy", "test_accuracy", "weight_norm"} <= set(log.curves)
    expected = {"n_train": 30, "n_test": 19, "fraction": 30 / 49, "operation": "modular_addition", "p": P, "seed": 9}
    expected |= {"dtype": "float32", "loss": "ce", "targets": "classes", "samples_drawn": "all"}
    expected |= {"parameters": 42 + 13 * 16 + 17 * 7, "optimizer": "SGD", "learning_rate": 0.1, "weight_decay": 0.01}
    assert expected.items() <= log.settings.items()


def test_readers_of_logs_read_the_same(tmp_path: Path) -> None:
    """Also where a run went on from a checkpoint."""
    for steps in ((0, 50, 100, 150), (120, 200)):
        watch = Watch(quiet(), train=TRAIN, test=TEST, out=tmp_path, share=np.inf)
        for step in steps:
            watch(step)
    [found], expected = read_logs(tmp_path), watch.log  # pyright: ignore[reportPossiblyUnboundVariable]
    assert found.steps.tolist() == expected.steps.tolist() == [0, 50, 100, 120, 200]
    assert found.curves.keys() == expected.curves.keys()
    assert all(found.curves[name].tolist() == curve.tolist() for name, curve in expected.curves.items())
    assert found.settings["n_train"] == expected.settings["n_train"]


def test_the_verdict_is_of_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = types.ModuleType("analysis.verdict")
    room.judge = lambda log, task, forecast: (len(log.steps), task, forecast)  # pyright: ignore
    monkeypatch.setitem(sys.modules, "analysis.verdict", room)
    given: list[tuple[Any, int | None]] = [("modular_addition", P), (et.modular_addition(P), None), (None, None)]
    watches = [Watch(quiet(), train=TRAIN, out=tmp_path / str(task), task=task, p=p) for task, p in given]
    watches[0](7)
    looks, tasks, forecasts = zip(*[watch.verdict() for watch in watches], strict=True)
    assert looks == (1, 0, 0)
    assert (forecasts[0].step, forecasts[1:]) == (7, (None, None))
    op, mask = tasks[0]
    assert (op.name, mask.sum()) == (f"modular_addition({P}, tables=2)", 30)
    assert {(a, b - P) for a, b in op.pairs[mask].tolist()} == set(map(tuple, TRAIN[0].tolist()))
    assert tasks[1:] == (given[1][0], None)  # unordered pairs, of which the training set has both orders


def test_a_live_picture_in_a_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shown when the watch begins, and drawn anew after looks; elsewhere one line."""
    shown: list[Any] = []

    class Handle:
        def update(self, what: Any) -> None:
            shown.append(what._repr_html_())

    def display(what: Any, display_id: bool) -> Handle:
        shown.append(what._repr_html_())
        return Handle()

    python, parts = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    python.version_info = (9, 0)  # pyright: ignore
    python.get_ipython = lambda: types.SimpleNamespace(kernel=0)  # pyright: ignore
    parts.display = display  # pyright: ignore
    monkeypatch.setitem(sys.modules, "IPython", python)
    monkeypatch.setitem(sys.modules, "IPython.display", parts)
    watch = Watch(quiet(), train=TRAIN, test=TEST, out=tmp_path, share=np.inf)
    watch(0)
    watch(50)
    assert len(shown) == 3
    assert "<img" not in shown[0]
    assert all("2 looks" in shown[2] and '<img src="data:image/png;base64,' in one for one in shown[1:])


def test_elsewhere_it_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    watch = Watch(quiet(), train=TRAIN, test=TEST, out=tmp_path)
    watch(0)
    watch.show()
    assert capsys.readouterr().out.startswith("Watch: 1 looks until step 0 (train loss 1.9")
    assert [axes.get_title() for axes in watch.figure().axes] == ["accuracy", "loss", "weight norm"]


def test_a_verdict_is_of_the_last_step(tmp_path: Path) -> None:
    watch = Watch(quiet(), train=TRAIN, test=TEST, out=tmp_path, share=float("inf"))
    for step in range(200):
        watch(step)
    assert watch.log.steps[-1] < 199
    assert "step 199" in str(watch.verdict())
    n = len(watch.log.steps)
    watch.verdict()
    assert (watch.log.steps[-1], len(watch.log.steps)) == (199, n)
