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
from contextlib import contextmanager, redirect_stderr
from typing import TYPE_CHECKING, TypeVar

import tyro

from neural._start import end
from neural.config import ConfigError

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

Arguments = TypeVar("Arguments")


def run_command(
    arguments: type[Arguments],
    main: Callable[[Arguments], None],
    prog: str,
    errors: tuple[type[Exception], ...] = (),
) -> None:
    """Parse the command line into `arguments` and call `main` with it.

    ConfigError, OSError and `errors` (what else is the user's to fix) end it with one
    line on standard error and exit status 1, a command line that cannot be parsed with
    one line and 2, Ctrl-C with one line and 130, a reader that has seen enough
    (`| head`) without a word. Anything else is a bug and keeps its traceback.
    """
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
            return tyro.cli(arguments, prog=prog)
    except SystemExit as stop:
        if stop.code in (None, 0):  # --help
            raise
        # tyro draws a titled frame around its message
        lines = [line for line in complaint.getvalue().splitlines() if not line.startswith("╭")]
        print("error:", " ".join(re.sub(r"[│╰╯─]", " ", " ".join(lines)).split()), file=sys.stderr)
        sys.exit(2)
