"""How a command meets its user: typed options, and every error one line and a non-zero exit."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections.abc import Callable
from typing import TypeVar

import tyro

from neural.config import ConfigError

Arguments = TypeVar("Arguments")


def run_command(
    arguments: type[Arguments],
    main: Callable[[Arguments], None],
    prog: str,
    errors: tuple[type[Exception], ...] = (),
) -> None:
    """Parse the command line into `arguments` and call `main` with it.

    ConfigError, OSError and `errors` (what else is the user's to mend) end it with one line on standard error
    and exit status 1, a command line that cannot be parsed with one line and 2, Ctrl-C with one line and 130.
    Anything else is a bug and keeps its traceback.
    """
    try:
        main(_parse(arguments, prog))
    except (ConfigError, OSError, *errors) as error:
        print("error:", " ".join(str(error).split()), file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted; whatever had finished is kept", file=sys.stderr)
        sys.exit(130)


def _parse(arguments: type[Arguments], prog: str) -> Arguments:
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(arguments, prog=prog)
    except SystemExit as stop:
        if stop.code in (None, 0):  # --help
            raise
        # tyro draws a titled frame around its message
        lines = [line for line in complaint.getvalue().splitlines() if not line.startswith("╭")]
        print("error:", " ".join(re.sub(r"[│╰╯─]", " ", " ".join(lines)).split()), file=sys.stderr)
        sys.exit(2)
