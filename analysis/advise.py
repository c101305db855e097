"""How to train so that a network finds its representation, said before anything is
trained.

    python -m analysis.advise --p 10
    python -m analysis.advise --operation s3 --goal test
    python -m analysis.advise --n-train 35 --check 24

asks the theory with a decoder which learning rates, warm-up and weight decay of the
decoder make success likely, and how many samples it takes. --check trains fresh
networks as advised and with the default rates, and says whether that helped. Leaves
report.json, report.md, its tables and samples.png in results/advise.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from tqdm.auto import tqdm

import efftheory as et
from analysis.arms import search
from analysis.arms.engine import arm_rows, beside, one_score, score_arms, train
from analysis.experiments import S3
from analysis.predictors.effective import check_table, operation
from analysis.predictors.memory import success_of
from analysis.report.command import check_at_least, check_given, environment, leave, trained_on
from analysis.report.files import prepare_folder, table
from analysis.report.look import BLUE, GREY, LOOK, ORANGE
from analysis.report.tables import TARGETS_IN_WORDS, cell, judged
from analysis.runs.session import ERRORS, Trains, end_dry_run
from analysis.scores.success import LEARNED
from efftheory._threads import usable_cores
from neural import ConfigError, RunConfig, Table
from neural.command import run_command

PROG = "python -m analysis.advise"
ADVISED, DEFAULT = "as advised", "default rates"
_SHARES = ("rqi", "train", "test")  # of success and learning, each alone
_OF_NETWORK = ("p", "d", "width", "depth", "activation", "n_outputs", "loss", "budget")
_TRIED = ("repr_lr", "decoder_lr", "warmup", "decoder_wd")
_LOOKS = {ADVISED: (BLUE, "-", "o"), DEFAULT: (ORANGE, "--", "s")}
_SHARE = RunConfig.n_train / RunConfig().n_samples
_CHECK_DRAWS = 2  # decoders of the theory behind each trained run
_ORDERS = 2000  # random orders of all samples behind the share of linear sets


@dataclass(frozen=True)
class Arguments(Trains):
    """Say, without training, how to train so that success is likely: learning rates,
    warm-up and weight decay of the decoder, number of samples. Success: the goal and
    train accuracy 0.9 are both reached within the budget.
    """

    operation: Literal["addition", "s3"] = "addition"
    """What is learned."""
    table: Path | None = None
    """CSV file with your own operation instead, which must commute: a square of results (see neural.train --help)."""
    p: int | None = None
    """Number of symbols, 0..p-1; by default 10, for s3 its 6 elements."""
    n_train: int | None = None
    """Training-set size |D|; by default 9 of 11 samples, or as many as --samples has."""
    samples: str = ""
    """The training set itself, a hexadecimal number whose bit s is sample s of the table; by default random ones."""
    pairs: Path | None = None
    """The same as a CSV file: rows a,b or a,b,result."""
    width: int = RunConfig.width
    """Width of the decoder's hidden layers."""
    depth: int = RunConfig.depth
    """Number of hidden layers of the decoder."""
    activation: Literal["tanh", "relu"] = RunConfig.activation
    """What follows each hidden layer of the decoder."""
    n_outputs: int = RunConfig.n_outputs
    """Dimension of the regression targets."""
    loss: Literal["mse", "ce"] = RunConfig.loss
    """Regression on random target vectors, or classification of the result."""
    d: int | None = None
    """Embedding dimension (s3: of the embedding matrices, d x d); by default 1, for s3 3."""
    budget: int = RunConfig.budget
    """Steps within which a run has to succeed."""
    goal: search.Goal = "rqi"
    """What a run has to reach, beside train accuracy 0.9: RQI > 0.95, or test accuracy 0.9."""
    repr_lr: tuple[float, ...] = (1e-3, 3e-3, 1e-2)
    """Learning rates of the embeddings to choose from."""
    decoder_lr: tuple[float, ...] = (3e-5, 1e-4, 3e-4)
    """Learning rates of the decoder to choose from."""
    warmup: tuple[float, ...] = (0, 1, 3)
    """Warm-ups of the decoder to choose from, in units of 1/repr_lr steps."""
    decoder_wd: tuple[float, ...] = (0, 5)
    """Weight decays of the decoder to choose from."""
    sizes: tuple[int, ...] | None = None
    """Training-set sizes of the picture; by default six, from two fifths of all samples to nine tenths."""
    seeds: int = 64
    """Imagined runs behind each probability of the last round (of the picture: a third as many)."""
    check: int | None = None
    """Train so many fresh networks as advised, and as many with the default rates; by default none, and --store is
    not opened."""
    first_seed: int = 200
    """Seed of the first of these."""
    out: Path = Path("results/advise")


def main(arguments: Arguments) -> None:
    ways, sizes = plan(arguments)
    default, target = ways[0], LEARNED[arguments.goal]
    seeds = range(arguments.first_seed, arguments.first_seed + (arguments.check or 0))
    # which way is advised is not known yet; all cost the same
    end_dry_run(arguments, [replace(way, seed=seed) for way in ways[:2] for seed in seeds])
    prepare_folder(arguments.out)
    arms, finalists, larger = ask(arguments, ways, sizes)
    pairs = [(name, DEFAULT) for name in arms if name != DEFAULT]
    scores = {"imagined": score_arms(finalists, (target, *_SHARES), pairs=[])}
    scores["sizes"] = score_arms(larger, [target], by=["n_train"], pairs=pairs)
    said, rows, checked = sentence(scores, target, arms), way_rows(finalists, scores["imagined"], target), []
    last, tables = [table(rows, "simple"), "", said], {"imagined": pd.concat([finalists, larger])}
    if arguments.check is not None:
        plans = {name: [replace(way, seed=seed) for seed in seeds] for name, way in arms.items()}
        tables["runs"], tables["predictions"] = train(arguments, plans, {"memory_flow": _CHECK_DRAWS})
        scores["trained"] = score_arms(tables["runs"], (target, *_SHARES), tables["predictions"], pairs=pairs)
        of_check = check_rows(scores, target)
        checked = [verdict(scores["trained"], target), table(of_check)]
        last += ["", table(of_check, "simple"), "", checked[0]]
    tables["scores"] = pd.concat([some.assign(of=name) for name, some in scores.items()], ignore_index=True)
    thresholds = et.linear_thresholds(operation(default), _ORDERS, seed=0)
    linear = {n: float((thresholds <= n).mean()) for n in sizes}
    network = {name: value for name, value in asdict(default).items() if name not in {"seed", *search.WAY}}
    report = {"sentence": said, "goal": arguments.goal, "network": network, "linear": linear}
    report |= {"rounds": search.rounds(len(ways), arguments.seeds), "check": checked[0] if checked else None}
    report |= {"scores": tables["scores"].to_dict("records")}
    report |= {"environment": environment(PROG, trained_on(tables["runs"]) if checked else ())}
    pictures = {"samples.png": picture(scores, target, default.n_train, linear)}
    leave(arguments.out, report, pictures, page(arguments, report, table(rows), checked), last, **tables)


def ask(
    arguments: Arguments, ways: list[RunConfig], sizes: list[int]
) -> tuple[dict[str, RunConfig], pd.DataFrame, pd.DataFrame]:
    """Advised and default way by name, the last round's runs, those of other sizes."""
    few = max(1, arguments.seeds // 3)
    total = sum(n * seeds for n, seeds in search.rounds(len(ways), arguments.seeds)) + 2 * len(sizes) * few
    pool = ThreadPoolExecutor(usable_cores())
    bar = tqdm(total=total, desc="theory", unit="run", leave=False)

    def imagine(runs: Sequence[RunConfig]) -> list[Any]:
        found = []
        for one in pool.map(success_of, runs, [1] * len(runs)):
            found.append(one)
            bar.update()
        return found

    try:
        found = search.search(ways, arguments.seeds, arguments.goal, imagine)
        advised = search.choose(found, arguments.goal)
        arms = {DEFAULT: ways[0]} if advised == ways[0] else {ADVISED: advised, DEFAULT: ways[0]}
        bar.total -= (2 - len(arms)) * len(sizes) * few
        names = {replace(way, n_train=n, samples=""): name for n in sizes for name, way in arms.items()}
        larger = search.imagined([*names], search.FIRST_SEED_OF_LAST, few, imagine)
    finally:
        pool.shutdown(cancel_futures=True)  # a Ctrl-C need not wait for all the runs
        bar.close()
    others = [way for way in found if way not in arms.values()]
    named = arms | {f"other {number}": way for number, way in enumerate(others, 1)}
    finalists = [found[way].assign(arm=name) for name, way in named.items()]
    of_sizes = [runs.assign(arm=names[way]) for way, runs in larger.items()]
    return arms, pd.concat(finalists, ignore_index=True), pd.concat(of_sizes, ignore_index=True)


def plan(arguments: Arguments) -> tuple[list[RunConfig], list[int]]:
    """The ways to train, default first, and the sizes; ConfigError if one cannot be."""
    check_at_least(1, arguments, "seeds", "check")
    check_at_least(0, arguments, "first_seed")
    check_given(arguments, *_TRIED, *(["sizes"] if arguments.sizes is not None else []))
    first, below = arguments.first_seed, f"below {search.FIRST_SEED}, where those begin that the advice is chosen on"
    if first + (arguments.check or 0) > search.FIRST_SEED:
        raise ConfigError(f"`first_seed` must leave the check seeds {below}, but is {first}.")
    if wrong := [one for one in arguments.warmup if not 0 <= one < float("inf")]:
        raise ConfigError(f"`warmup` must be finite numbers of at least 0, but has {wrong[0]}.")
    base = network(arguments)
    sizes = arguments.sizes or [max(1, round(share * base.n_samples)) for share in np.linspace(0.4, 0.9, 6)]
    if wrong := [n for n in sizes if not 1 <= n <= base.n_samples]:
        raise ConfigError(f"`sizes` must be between 1 and all {base.n_samples} samples, but has {wrong[0]}.")
    return search.grid(base, *(getattr(arguments, name) for name in _TRIED)), sorted(set(sizes))


def network(arguments: Arguments) -> RunConfig:
    """What is trained, with the default rates."""
    usual = S3 if arguments.operation == "s3" else RunConfig()
    own = usual.operation
    if arguments.table is not None:
        if arguments.operation != "addition":
            raise ConfigError(f"`operation` must be left out with table, but is {arguments.operation!r}.")
        own = Table.read(arguments.table)
        check_table(own, "memory_flow")
    given = {name: getattr(arguments, name) for name in _OF_NETWORK if getattr(arguments, name) is not None}
    smallest = replace(usual, n_train=1, operation=own, **given)
    if arguments.pairs is not None:
        for name in ("n_train", "samples"):
            if getattr(arguments, name):
                raise ConfigError(f"`{name}` must be left out with pairs, but is {getattr(arguments, name)}.")
        return replace(smallest, n_train=RunConfig.n_train, samples=str(arguments.pairs))
    try:
        given_by_samples = int(arguments.samples or "0", 16).bit_count()
    except ValueError:  # what is wrong with it, `RunConfig` says
        given_by_samples = 0
    n_train = min(given_by_samples, smallest.n_samples) or round(_SHARE * smallest.n_samples)
    n_train = n_train if arguments.n_train is None else arguments.n_train
    return replace(smallest, n_train=n_train, samples=arguments.samples)


def shares(scores: pd.DataFrame, arm: str, target: str) -> pd.DataFrame:
    """The measured share of an arm's runs that get there: a row for each size."""
    return scores.query("statistic == 'did' and against == '' and arm == @arm and target == @target")


def sentence(scores: dict[str, pd.DataFrame], target: str, arms: dict[str, RunConfig]) -> str:
    """The advice, the first of the arms, in words, with what is predicted of it."""
    success, takes = {}, {}
    for name in arms:
        success[name] = one_score(scores["imagined"], arm=name, target=target, statistic="did")
        here = shares(scores["sizes"], name, target)
        enough = search.needed(here["n_train"], here["value"])
        takes[name] = f"more than {here['n_train'].max()}" if enough is None else f"about {enough}"
    (first, way), kept = next(iter(arms.items())), len(arms) == 1
    samples = f"A share of {search.LIKELY:g} takes {takes[first]} samples"
    samples += "." if kept else f" as advised, {takes[DEFAULT]} by default."
    if not success[first].value:
        return f"No advice: of {success[first].n} runs none is predicted to succeed. {samples}"
    said = "Keep the default rates:" if kept else "Train with"
    said += f" learning rates {way.repr_lr:g} of the embeddings and {way.decoder_lr:g} of the decoder"
    said += f", which warms up over {way.decoder_warmup:,} steps" if way.decoder_warmup > 1 else ""
    said += f"; weight decay {way.decoder_wd:g} of the decoder" if way.decoder_wd else ""
    said += f". {cell(success[first])} of the runs are predicted to succeed with {way.n_train} samples"
    said += "." if kept else f", {cell(success[DEFAULT])} with the default rates."
    return f"{said} {'Nothing that was tried makes success likely. ' if success[first].high < 0.5 else ''}{samples}"


def way_rows(finalists: pd.DataFrame, scores: pd.DataFrame, target: str) -> list[dict[str, str]]:
    """The table of the page: the advice, the default, then the others."""
    ways: Any = finalists.drop_duplicates("arm").itertuples()
    titles = dict(zip(search.WAY, ("eta_r", "eta_d", "warm-up", "decay"), strict=True))
    rows = [{"": way.arm} | {title: f"{getattr(way, name):g}" for name, title in titles.items()} for way in ways]
    success = {"success": ("did", ".2f"), "steps to it": ("median", ",.0f")}
    steps = {one: {f"to {TARGETS_IN_WORDS[one]}": ("median", ",.0f")} for one in _SHARES}
    return beside(rows, arm_rows(scores, {"arm": ""}, {target: success} | steps))


def check_rows(scores: dict[str, pd.DataFrame], target: str) -> list[dict[str, str]]:
    """The table of the trained runs."""
    check = scores["trained"]
    beforehand = scores["imagined"][scores["imagined"]["arm"].isin(check["arm"])]
    success = {"success": ("did", ".2f"), "of these sets": ("said", ".2f"), "steps to it": ("median", ",.0f")}
    others = {one: {TARGETS_IN_WORDS[one]: ("did", ".2f"), f"steps to {one}": ("median", ",.0f")} for one in _SHARES}
    predicted = arm_rows(beforehand, {"arm": ""}, {target: {"predicted": ("did", ".2f")}})
    return beside(predicted, arm_rows(check, {"arm": ""}, {target: success} | others))


def verdict(check: pd.DataFrame, target: str) -> str:
    """Whether the advice helped."""
    if ADVISED not in set(check["arm"]):
        return "The advice is to keep the default rates, so there is nothing to compare."
    gain, gained, lost = (
        one_score(check, against=DEFAULT, target=target, statistic=one) for one in ("did", "gained", "lost")
    )
    open_ = "These runs do not show that the advice helps, or harms"
    said = judged(gain, 0, below="The advice harmed", above="The advice helped", otherwise=open_)
    return (
        f"{said}: {cell(gain, '+.2f')} of the share that succeeds; {gained.value:.0f} of {gain.n} runs succeed only as "
        f"advised, {lost.value:.0f} only with the default rates."
    )


def page(arguments: Arguments, report: dict[str, Any], ways: str, checked: list[str]) -> list[str]:
    """The paragraphs of report.md."""
    network = report["network"]
    kinds = {"s3": "S3", "addition": f"addition of 0..{network['p'] - 1}"}
    what = kinds.get(network["operation"], f"the table {network['operation']} of {network['p']} symbols")
    tried = ", ".join(f"{n} ways to train on {runs} runs" for n, runs in report["rounds"])
    text = f"""\
{ways}

![success over training samples](samples.png)

Predicted success over the number of samples in random training sets, with 95 % bands; dotted: the share of sets that
leave one linear representation.

For {what} with {network["n_train"]} samples ({"the given" if network["samples"] else "random"} training sets) and
{network["budget"]:,} steps; success is {TARGETS_IN_WORDS[LEARNED[arguments.goal]]}, both within them. By the theory,
without training a network. Shares with exact 95 % intervals over {arguments.seeds} imagined runs, the same for all;
median steps (a dash: most do not get there). The error of the theory comes on top: on 200 other networks, whose targets
it did not know, its probabilities were off by {search.CALIBRATION_ERROR:g} on average.

Tried: {tried}, each round the best of the one before, the last one on runs of its own. Of those less than
{search.CALIBRATION_ERROR:g} below the best that cannot be told from it by their paired difference, the quickest is
advised."""
    parts = ["# Advice", f"`{report['environment']['command']}`", report["sentence"], *checked[:1], text]
    first, last = arguments.first_seed, arguments.first_seed + (arguments.check or 0) - 1
    check = f"""\
Networks trained in each way (seeds {first} to {last}), the same training sets and initial weights. Predicted: as above;
of these sets: of these very training sets and initial embeddings."""
    return [*parts, "## The check", check, checked[1]] if checked else parts


def picture(scores: dict[str, pd.DataFrame], target: str, n_train: int, linear: dict[int, float]) -> Figure:
    """Success over the number of samples; `linear`: the share of linear sets."""
    with mpl.rc_context(LOOK):
        figure = Figure(figsize=(6.4, 4))
        axes = figure.subplots()
        axes.axvline(n_train, color=GREY, lw=0.8)
        axes.plot([*linear], [*linear.values()], color=GREY, ls=":", label="sets with one linear representation")
        apart = 0.006 * (max(linear) - min(linear))  # else one bar covers the other
        for (name, (colour, style, marker)), aside in zip(_LOOKS.items(), (-apart, apart), strict=True):
            growth = shares(scores["sizes"], name, target)
            if growth.empty:  # the default is advised
                continue
            axes.plot(growth["n_train"], growth["value"], color=colour, ls=style, label=f"{name}, predicted")
            axes.fill_between(growth["n_train"], growth["low"], growth["high"], color=colour, alpha=0.18, lw=0)
            if "trained" in scores:
                check = shares(scores["trained"], name, target)
                y, bars = check["value"], (check["value"] - check["low"], check["high"] - check["value"])
                look: Any = {"color": colour, "marker": marker, "mec": "black", "capsize": 3, "ls": ""}
                axes.errorbar([n_train + aside], y, yerr=bars, label=f"{name}, trained", **look)
        axes.set(xlabel="training samples", ylabel="share of runs that succeed", ylim=(-0.02, 1.04))
        figure.legend(loc="outside lower center", ncols=2)
        return figure


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
