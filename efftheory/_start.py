"""How a command starts. Ctrl-C while it still imports what it needs, which takes
seconds, is one line and exit status 130, as later; a package that is not installed is
one line; what is printed can be printed.

Python imports a command's package before the command, and that package imports this
module before all else (`neural` has one of its own: neither may import the other). It
acts only where Python was started as a command of ours: a library leaves its host
alone. What has something to close (`neural.command`) sets Python's own handler again.
"""

from __future__ import annotations

import os
import signal
import sys
from io import TextIOWrapper
from types import TracebackType

COMMANDS = ("efftheory", "analysis", "paper_figures")  # packages
CONSOLE = "efftheory"
# What theory goes without, and the extra of this name has; as they are imported.
NETWORKS = ("torch", "pandas", "matplotlib", "PIL", "tabulate", "tqdm", "tyro", "safetensors")


def starting(packages: tuple[str, ...]) -> bool:
    """Whether this process was started as `python -m NAME`, NAME in one of `packages`,
    and has not got there yet, or as the command `efftheory`.
    """
    if os.path.basename(sys.argv[0] if sys.argv else "").removesuffix(".exe") == CONSOLE:
        return True
    if sys.argv[:1] != ["-m"]:  # so it is only while Python looks for the module
        return False
    name = sys.orig_argv[-len(sys.argv)].removeprefix("-m")
    return name.partition(".")[0] in packages


def end(*_: object) -> None:
    """Not by an exception: what is being imported might catch it, or report it and go
    on.
    """
    os.write(2, b"interrupted\n")
    os._exit(130)


def report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """One line where an exception that nothing caught is a package that is not
    installed, else what Python does.
    """
    package = (getattr(error, "name", None) or "").partition(".")[0]
    if issubclass(kind, ModuleNotFoundError) and package in NETWORKS:
        print(f"error: this command needs the package {package}: pip install 'efftheory[networks]'", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


def open_streams() -> None:
    """What is printed can always be printed: nowhere if the output is closed, and with
    backslashes for what its encoding lacks.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            # open as long as the process is
            nowhere = open(os.devnull, "w", errors="backslashreplace")  # noqa: SIM115
            os.set_inheritable(nowhere.fileno(), True)  # else a child's first file would be taken for its output
            setattr(sys, name, nowhere)
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if starting(COMMANDS):
    open_streams()
    sys.excepthook = report
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, end)
