"""How a command meets its user: typed options, and every error one line and a non-zero
exit.
"""

from __future__ import annotations

import io
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from itertools import dropwhile, takewhile
from typing import TYPE_CHECKING, NoReturn, TypeVar

import tyro

from neural._start import end, open_streams
from neural.config import ConfigError, also_called, nearest

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

Arguments = TypeVar("Arguments")


def run_command(
    arguments: type[Arguments],
    main: Callable[[Arguments], None],
    prog: str,
    errors: tuple[type[Exception], ...] = (),
) -> None:
    """Parse the command line and call `main` with it.

    What is the user's to fix ends it with one line on standard error and exit status 1,
    a command line that cannot be parsed with one line and 2, Ctrl-C with one line and
    130, a reader that has seen enough (`| head`) without a word. Anything else is a bug
    and keeps its traceback.

    Args:
        arguments: a dataclass with the options.
        main: what is done with them.
        prog: what the help calls the command.
        errors: what is the user's to fix beside ConfigError and OSError.
    """
    open_streams()
    try:
        with _interruptible():
            main(_parse(arguments, prog))
            sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what Python still holds goes nowhere
        sys.exit(128 + 13)  # SIGPIPE, a name that Windows lacks
    except (ConfigError, OSError, *errors) as error:
        print("error:", " ".join(str(error).split()), file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted; whatever had finished is kept", file=sys.stderr)
        sys.exit(130)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C is an exception here, which closes what is open. A second one ends the
    process at once, as one before this does and one after it (`_start`).

    Where nothing can catch the exception (in a callback of a compiler, say) Python
    would report it and go on: it comes again instead.
    """
    before, report = signal.getsignal(signal.SIGINT), sys.unraisablehook

    def first(*_: object) -> None:
        signal.signal(signal.SIGINT, end)
        raise KeyboardInterrupt

    def again(lost: UnraisableHookArgs) -> None:
        if lost.exc_type is not KeyboardInterrupt:
            report(lost)
            return
        signal.signal(signal.SIGINT, first)
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()

    if before is not signal.SIG_IGN:  # nohup's, say
        signal.signal(signal.SIGINT, first)
    sys.unraisablehook = again
    try:
        yield
    finally:
        sys.unraisablehook = report
        signal.signal(signal.SIGINT, before)


def _parse(arguments: type[Arguments], prog: str) -> Arguments:
    complaint = io.StringIO()
    try:
        with redirect_stderr(complaint):
            found, unknown = tyro.cli(arguments, prog=prog, return_unknown_args=True)
        if not unknown:
            return found
        reason = f"{unknown[0]!r} is one word too many."
    except SystemExit as stop:
        if stop.code in (None, 0):  # --help
            raise
        # tyro draws a titled frame around its message, of dashes where the terminal has
        # no lines, and more parts below the first
        lines = [line.strip("│ ") for line in complaint.getvalue().splitlines()[1:]]
        message = takewhile(lambda line: line.strip("─-"), dropwhile(lambda line: not line.strip("─-"), lines))
        reason = _plain(" ".join(" ".join(message).split())).removeprefix("Error parsing ").rstrip(".") + "."
    except ConfigError:
        _refuse_options(arguments, prog)
        raise
    _refuse_options(arguments, prog)
    _refuse(reason)


def _plain(message: str) -> str:
    """What Python says of a text that is no number, in our words."""
    message = re.sub(r"invalid literal for int\(\) with base 10:", "must be a whole number, but is", message)
    return re.sub(r"could not convert string to float:", "must be a number, but is", message).replace(": must", " must")


def _refuse(reason: str) -> NoReturn:
    print("error:", reason, "--help lists the options.", file=sys.stderr)
    sys.exit(2)


def _refuse_options(arguments: type, prog: str) -> None:
    """End the process if a word of the command line is an option that there is not."""
    options = _options(arguments, prog)
    for word in sys.argv[1:]:
        name = word.partition("=")[0].removeprefix("--").replace("-", "_")
        if not word.startswith("--") or not name or name in options:
            continue
        reason = f"there is no option {word.partition('=')[0]}"
        if near := nearest(name, options):
            reason += f"; is it --{near.replace('_', '-')}?"
        elif fields := [field for field in (name, *also_called(name)) if "set" in options and field in _fields()]:
            reason += f"; a field of runs is --set {' or '.join(f'{field}=VALUE' for field in fields)}."
        else:
            reason += "."
        _refuse(reason)


def _fields() -> set[str]:
    """What configurations of some family have."""
    from neural.families import FAMILIES  # imports torch

    return {field for family in FAMILIES.values() for field in family.Config.__dataclass_fields__}


def _options(arguments: type, prog: str) -> list[str]:
    """The names of all options, from the help of this command, or of the part of it
    that the command line asks for: tyro gives no list of them.
    """
    page = io.StringIO()
    part = [*takewhile(lambda word: not word.startswith("-"), sys.argv[1:]), "--help"]
    with suppress(SystemExit), redirect_stdout(page), redirect_stderr(page):
        tyro.cli(arguments, prog=prog, args=part)
    rows = [line.strip("│| ") for line in page.getvalue().splitlines()]
    names = [name for row in rows if row.startswith("-") for name in re.findall(r"--([a-z][\w-]*)", row.split("  ")[0])]
    return [name.replace("-", "_") for name in names]
