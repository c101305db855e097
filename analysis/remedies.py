"""What to do about runs that fail: the remedies that the theory with a decoder implies,
tried on real networks.

    python -m analysis.remedies

trains the same training sets and initial embeddings under each remedy, and leaves
report.json, report.md, its tables and survival.png in results/remedies.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from analysis.arms.engine import Arms, arm_rows, leave_arms, score_arms, survival, train, verdict
from analysis.report.command import check_at_least, check_given
from analysis.report.files import table
from analysis.report.tables import TARGETS_IN_WORDS
from analysis.runs.session import ERRORS, Trains
from neural import RunConfig
from neural.command import run_command

PROG = "python -m analysis.remedies"
BASE = "none"
GOAL = "learned_rqi"
TARGETS = (GOAL, "rqi", "train", "test")


@dataclass(frozen=True)
class Arguments(Trains):
    """Train the same training sets under each remedy that the theory implies, and say
    which help: with which more runs get to RQI > 0.95 and learn their training set.
    """

    p: int = 10
    """Number of symbols, 0..p-1."""
    sizes: tuple[int, ...] = (30, 40, 45)
    """Training-set sizes |D|."""
    seeds: int = 16
    """How many seeds a size."""
    budget: int = RunConfig.budget
    """Steps after which a run that has not reached a threshold is censored."""
    repr_lr: float = RunConfig.repr_lr
    """Learning rate of the embeddings."""
    decoder_lr: float = RunConfig.decoder_lr
    """Learning rate of the decoder, without a remedy."""
    decoder_draws: int = 8
    """Initial functions of the decoder behind each of the theory's probabilities."""
    out: Path = Path("results/remedies")


def main(arguments: Arguments) -> None:
    arms = plan(arguments)
    runs, said = train(arguments, arms, {"memory_flow": arguments.decoder_draws})
    scores = score_arms(runs, TARGETS, said)
    columns = {"succeed": ("did", ".2f"), "predicted": ("said", ".2f"), "gain": ("did", "+.2f", BASE)}
    rows = arm_rows(scores, {"arm": "remedy"}, {GOAL: columns})
    columns |= {"median steps": ("median", ",.0f"), "times none": ("ratio", ".2f", BASE)}
    to = {"target": "to", "arm": "remedy"}
    rest = f"""\
{len(arms[BASE])} training sets and initial embeddings, each under every remedy (|D| =
{", ".join(map(str, arguments.sizes))}, {arguments.seeds} seeds from {arguments.first_seed} on, {arguments.budget:,}
steps). Success is {TARGETS_IN_WORDS[GOAL]}, both within the budget: a decoder that hardly moves lets the embeddings
find their representation, and learns nothing. Shares have exact 95 % intervals, gains over no remedy those of paired
differences; predicted: by the theory with a decoder. Median steps: Kaplan-Meier's, a dash beyond the budget. Times
none: the median ratio of the steps to those of the same run without a remedy; 0 where in most pairs only the remedy
gets there, a dash where only the other does.

## Each target

{table([row for of in TARGETS for row in arm_rows(scores, to, {of: columns})])}"""
    pictures, tables = {"survival.png": survival({"": runs}, TARGETS[1:], BASE)}, {"runs": runs, "scores": scores}
    answer = [verdict(scores, GOAL)]
    leave_arms(arguments, PROG, "Remedies", answer, rows, rest, pictures, predictions=said, **tables)


def plan(arguments: Arguments) -> Arms:
    """The runs of each remedy, of the same (n_train, seed). Warm-ups are chosen by the
    theory's clock: embeddings need some 0.5/eta_r steps to sort themselves.
    """
    check_given(arguments, "sizes")
    check_at_least(1, arguments, "decoder_draws")
    points = [(n, seed) for n in arguments.sizes for seed in arguments.seed_range()]
    given = {name: getattr(arguments, name) for name in ("p", "budget", "repr_lr", "decoder_lr")}
    n_outputs = max(RunConfig.n_outputs, 2 * arguments.p - 1)  # orthogonal targets need one a result
    base = RunConfig(n_train=arguments.sizes[0], n_outputs=n_outputs, **given)
    clock, orthogonal = 1 / arguments.repr_lr, replace(base, targets="orthogonal")
    arms = {
        BASE: base,
        "decoder 10 times slower": replace(base, decoder_lr=base.decoder_lr / 10),
        "warm-up over 1/eta_r steps": replace(base, decoder_warmup=round(clock)),
        "warm-up over 3/eta_r steps": replace(base, decoder_warmup=round(3 * clock)),
        "orthogonal targets": orthogonal,
        "orthogonal targets and warm-up over 3/eta_r": replace(orthogonal, decoder_warmup=round(3 * clock)),
    }
    return {name: [replace(arm, n_train=n, seed=seed) for n, seed in points] for name, arm in arms.items()}


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
