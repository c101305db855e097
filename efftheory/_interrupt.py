"""Ctrl-C while a command still imports what it needs, which takes seconds: one line and
exit status 130, as later.

Python imports a command's package before the command, and that package imports this
module before all else (`neural` has one of its own: neither may import the other). It
acts only where Python was started with -m on such a package: a library leaves the
signals of its host alone. What has something to close (`neural.command`) sets Python's
own handler again.
"""

from __future__ import annotations

import os
import signal
import sys

COMMANDS = ("efftheory", "analysis", "paper_figures")


def starting(packages: tuple[str, ...]) -> bool:
    """Whether this process was started as `python -m NAME`, NAME in one of `packages`,
    and has not got there yet.
    """
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


if starting(COMMANDS) and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, end)
