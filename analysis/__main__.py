"""All commands under one name: `efftheory COMMAND`, or `python -m analysis COMMAND`.

Alone it lists them. It imports none of them before it is asked for: what a command
needs may not be installed.
"""

from __future__ import annotations

import runpy
import sys
from difflib import get_close_matches

from efftheory import __version__

# README has the same lines, which a test holds.
COMMANDS = {
    "theory": ("efftheory", "what the theory says of a training set"),
    "train": ("neural.train", "train one network"),
    "compare": ("analysis.compare_theory", "theory against networks"),
    "phase-diagram": ("analysis.phase_diagram", "in which phase runs end, on a plane of settings"),
    "design-experiment": ("analysis.design_experiment", "training sets designed to be fast, and slow"),
    "advise": ("analysis.advise", "how to train so that it succeeds, said beforehand"),
    "remedies": ("analysis.remedies", "what to do about runs that fail"),
    "critical-size": ("analysis.critical_size", "how many samples addition needs"),
    "groups": ("analysis.groups", "how many samples groups need"),
    "landscape": ("analysis.landscape", "what training at constant weight norm finds"),
    "norm-law": ("analysis.norm_law", "when networks grok by weight norm, predicted"),
    "two-variables": ("analysis.two_variables", "the model of norm and messiness, against networks"),
    "league": ("analysis.league", "every theory's measure of grokking, on the same runs"),
    "interventions": ("analysis.interventions", "networks that grok, without what a theory says they need"),
    "measure-checkpoints": ("analysis.measure_checkpoints", "these measures, of your own checkpoints"),
    "forecast": ("analysis.forecast", "when a run of your own generalises, from its log"),
    "sweep": ("analysis.sweep", "train a grid of runs, also on a cluster"),
    "runs": ("analysis.runs", "look into the run store, export it, import logs of others"),
    "gallery": ("analysis.gallery", "all runs of the store on one page for a browser"),
    "audit": ("analysis.audit", "numbers of the pages beside those of the frozen tables"),
    "figures": ("paper_figures", "the paper's figures 1 to 22 from real runs, and those of a second"),
}
THEORY = COMMANDS["theory"][0]
GONE = ("analysis.decoder_range", "analysis.modular_theory")  # which say where they went


def main() -> None:
    """Do what the process's command line says."""
    first, *others = sys.argv[1:] or ["--help"]
    if first in ("--help", "-h"):
        print(listed())
    elif first == "--version":
        print("efftheory", __version__)
    else:
        module = THEORY if first.startswith("-") else module_of(first)
        sys.argv[1:] = sys.argv[1:] if first.startswith("-") else others
        runpy.run_module(module, run_name="__main__", alter_sys=True)


def listed() -> str:
    """All commands, a line each."""
    commands = "\n".join(f"  {name:21}{line}" for name, (_, line) in COMMANDS.items())
    others = "efftheory COMMAND --help lists a command's options. Without a command they are the theory's:"
    return f"usage: efftheory COMMAND [options]\n\n{commands}\n\n{others}\nefftheory --p 10 --n-train 25"


def module_of(name: str) -> str:
    """The module of a command, by its name here or its own, with - or _; an unknown one
    ends the process with one line and exit status 2.
    """
    modules = [*(module for module, _ in COMMANDS.values()), *GONE]
    known = {module.rpartition(".")[2].replace("_", "-"): module for module in modules}
    known |= {command: module for command, (module, _) in COMMANDS.items()}
    asked = name.lower().replace("_", "-").rpartition(".")[2]
    if asked not in known:
        nearest = "".join(f" The nearest is {one}." for one in get_close_matches(asked, known, 1))
        print(f"error: there is no command {name!r}.{nearest} efftheory --help lists all.", file=sys.stderr)
        sys.exit(2)
    return known[asked]


if __name__ == "__main__":
    main()
