"""Families that users bring: one class in a file of theirs, known by the file's text.

A run's key holds a digest of that text, so that a changed file makes other runs. What a
worker is sent of such a run holds the text itself: it needs no file.
"""

from __future__ import annotations

import copyreg
import re
import sys
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, fields
from functools import cache, cached_property
from inspect import getattr_static
from pathlib import Path
from traceback import walk_tb
from types import FunctionType, ModuleType, NoneType
from typing import Any, Literal, get_args, get_origin

from torch import Tensor, nn

from neural.config import ConfigError, kinds, option_of
from neural.data.files import digest_of
from neural.family import Family

# Columns of the store, beside those of fields and metrics.
_COLUMNS = ("key", "number", "family", "source", "steps_run", "retired", "accuracy", "device", "torch", "compiled")
_OPTIONS = ("json", "compile", "help")  # of neural.train, beside those of fields
_SOURCES: dict[type[Family], Source] = {}
_BY_CONFIG: dict[type, type[Family]] = {}
_BY_SOURCE: dict[tuple[str, str], type[Family]] = {}


@dataclass(frozen=True)
class Source:
    """The file that a family is in; without a path it is in none, as in a notebook."""

    path: str
    text: str

    @cached_property
    def digest(self) -> str:
        """Of the text, however lines end; ConfigError if there is no file."""
        if not self.path:
            raise ConfigError("`family` must be in a file for its runs to be kept, but its class is in none.")
        return digest_of([self.text.encode()])


def source_of(family: type[Family]) -> Source | None:
    """Where a user's family is; None for those that come with this package."""
    return _SOURCES.get(family)


def known(name: str, digest: str) -> type[Family]:
    """The family with this name and digest; KeyError unless it was remembered."""
    return _BY_SOURCE[name, digest]


def remember(family: type[Family], source: Source) -> None:
    """From now on the family is found by its configurations, and by name and digest."""
    _SOURCES[family] = source
    _BY_CONFIG[family.Config] = family
    if source.path:
        _BY_SOURCE[family.name, source.digest] = family


def load(path: Path, taken: Collection[str]) -> type[Family]:
    """The family in a file of Python.

    Args:
        path: of the file; it may begin with ~.
        taken: names that it may not have.

    Raises:
        ConfigError: there is no such file, or not one family in it that can be used.
    """
    try:
        path = path.expanduser()
        source = Source(str(path.resolve()), path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", "it is no text")
        raise ConfigError(f"`family` must be a file of Python, but {path}: {reason}.") from None
    return _adopted(_executed(source), source, taken)


@cache
def _executed(source: Source) -> type[Family]:
    """The one family in a file, each time the same class."""
    path, name = source.path, f"{Path(source.path).stem}@{source.digest}"
    module = sys.modules[name] = ModuleType(name)  # where dataclasses look for it
    module.__file__ = path
    if (folder := str(Path(path).parent)) not in sys.path:  # for what it imports from beside it
        sys.path.append(folder)
    try:
        exec(compile(source.text, path, "exec"), module.__dict__)
    except SyntaxError as error:
        where = f"{path}, line {error.lineno}" if error.lineno else path
        raise ConfigError(f"`family` must be a file of Python, but {where}: {error.msg}.") from None
    except (Exception, SystemExit) as error:
        raise ConfigError(f"`family` must be a file that can be imported, but {_place(error, path)}.") from error
    classes = [one for one in vars(module).values() if isinstance(one, type) and one.__module__ == name]
    found = [one for one in dict.fromkeys(classes) if hasattr(one, "Config") and hasattr(one, "objective")]
    if len(found) != 1:
        names = ", ".join(one.__name__ for one in found) or "none"
        raise ConfigError(f"`family` must be a file with one family, but {path} has {names}.")
    if isinstance(found[0].Config, type):
        copyreg.pickle(found[0].Config, _reduced)
        _explain_rules(found[0].Config, path)
    return found[0]


def _explain_rules(kind: Any, path: str) -> None:
    """Make what the user's __post_init__ raises a ConfigError."""
    rules = getattr(kind, "__post_init__", lambda config: None)

    def explained_rules(config: Any) -> None:
        try:
            rules(config)
        except ConfigError:
            raise
        except Exception as error:
            raise ConfigError(f"`family` must allow this configuration, but {_place(error, path)}.") from error

    kind.__post_init__ = explained_rules


def _reduced(config: Any) -> tuple[Any, ...]:
    source = source_of(_BY_CONFIG[type(config)])
    assert source is not None
    return _restored, (source.path, source.text, {one.name: getattr(config, one.name) for one in fields(config)})


def _restored(path: str, text: str, values: dict[str, Any]) -> Any:
    source = Source(path, text)
    return _adopted(_executed(source), source, ()).Config(**values)


def family_with(kind: type, taken: Collection[str]) -> type[Family]:
    """The family with this type of configurations: a class of the module that it is in.

    Raises:
        ConfigError: there is none, or it cannot be used.
    """
    if kind not in _BY_CONFIG:
        module = sys.modules[kind.__module__]
        classes = [one for one in vars(module).values() if isinstance(one, type)]
        found = next((one for one in classes if one.__dict__.get("Config") is kind), None)
        if found is None:
            raise ConfigError(f"`configs` must be configurations of families, but {kind.__qualname__} is of none.")
        file = Path(getattr(module, "__file__", None) or "")
        there = file.is_file()
        source = Source(str(file.resolve()), file.read_text(encoding="utf-8")) if there else Source("", "")
        _adopted(found, source, taken)
    return _BY_CONFIG[kind]


def _adopted(family: type[Family], source: Source, taken: Collection[str]) -> type[Family]:
    """The family, remembered; ConfigError unless the engine, the store and the commands
    can use it.
    """
    try:
        reason = next((reason for holds, reason in _demands(family, taken) if not holds), "")
    except NameError as error:  # of a field's type
        reason = f"has a Config with a NameError: {error}"
    if reason:
        where = source.path or "a notebook"
        raise ConfigError(f"`family` must be as docs/families.md shows, but {family.__name__} in {where} {reason}.")
    # of attention and LSTMs on a CPU, which torch then calls lane by lane
    warnings.filterwarnings("ignore", "There is a performance drop because we have not yet implemented the batching")
    remember(family, source)
    return family


def _demands(family: Any, taken: Collection[str]) -> Iterator[tuple[bool, str]]:
    """What must hold, in turn, and what is wrong where it does not."""
    name, config = getattr(family, "name", None), family.Config
    yield isinstance(name, str) and bool(re.fullmatch("[a-z][a-z0-9_]*", name)), f"has the name {name!r}"
    yield name not in taken, f"has the name of another family, {name}"
    yield getattr(config, "__module__", "") == family.__module__, "has no configuration of its own in the file"
    known = vars(config).get("__dataclass_params__") if isinstance(config, type) else None
    yield known is not None and known.frozen, "has a Config that is no frozen dataclass"
    for wanted in ("network", "data"):
        its = getattr_static(family, wanted, None)
        # of Supervised, in which they are not written
        own = its is not None and getattr(its, "__module__", "") != "neural.supervised"
        yield own or not hasattr(family, wanted), f"has no {wanted} of its own"
        yield not isinstance(its, FunctionType), f"has a {wanted} that is no @staticmethod"
    for one in fields(config):
        kind = kinds(config)[one.name]
        parts = [part for part in get_args(kind) if part is not NoneType] if NoneType in get_args(kind) else [kind]
        plain = len(parts) == 1 and (parts[0] in (int, float, bool, str) or get_origin(parts[0]) is Literal)
        yield plain, f"has a field {one.name} that is no int, float, bool, str or Literal"
        yield one.default is not MISSING, f"has a field {one.name} without a default"
    for wanted in ("seed", "budget", "look_every", "dtype", "n_train", "n_samples"):
        yield hasattr(family.Config(), wanted), f"has a configuration without {wanted}"
    metrics = getattr(family, "METRICS", ())
    yield len(metrics) > 1 and all(metric.record for metric in metrics[:2]), "has no two METRICS with records"
    columns = {part for metric in metrics for part in (metric.name, *metric.crossings, metric.record) if part}
    aliases = [alias for one in fields(config) for alias in option_of(one).aliases]
    lower = [column.lower() for column in (*_COLUMNS, *_OPTIONS, *columns, *kinds(config), *aliases)]
    twice = sorted({column for column in lower if lower.count(column) > 1})
    yield not twice, f"has two things of one name, {', '.join(twice)}"


@contextmanager
def explained(family: type[Family]) -> Iterator[None]:
    """What goes wrong in a user's family, as a ConfigError of one line with the line of
    the file and the layer.
    """
    try:
        yield
    except ConfigError:
        raise
    except (Exception, SystemExit) as error:
        source = source_of(family)
        place = _place(error, source.path, family) if source else ""
        if not place:
            raise
        raise ConfigError(f"`family` must train, but {place}.") from error


def _place(error: BaseException, path: str, family: Any = None) -> str:
    """The last line of the file and the last layer on the way to an error, else the
    last method of the family, and what it says; "" if it came through none.
    """
    steps = list(walk_tb(error.__traceback__))
    lines = [f"{path}, line {line}" for frame, line in steps if frame.f_code.co_filename == path]
    selves = [frame.f_locals.get("self") for frame, _ in steps]
    layers = [type(layer).__name__ for layer in selves if isinstance(layer, nn.Module)]
    if not lines and not layers:
        names = [frame.f_code.co_name for frame, _ in steps if type(frame.f_locals.get("self")) is family]
        lines = [f"{family.__name__}.{name}" for name in names]
    if not lines and not layers:
        return ""
    said = " ".join(str(error).split())[:300].rstrip(".")
    return ": ".join([*lines[-1:], *layers[-1:], type(error).__name__, *([said] if said else [])])


def check_layers(model: nn.Module) -> None:
    """ConfigError, which names them, if there are layers that runs in one ensemble
    cannot have: running statistics, and noise that is not from the run's own stream.
    """
    found = {}
    for name, layer in model.named_modules():
        dropout = getattr(layer, "p" if isinstance(layer, nn.modules.dropout._DropoutNd) else "dropout", 0)
        if layer.training and isinstance(dropout, float | int) and dropout > 0:
            found[name] = f"{type(layer).__name__} with dropout {dropout:g}"
        elif layer.training and getattr(layer, "running_mean", None) is not None:
            found[name] = f"{type(layer).__name__} with running statistics"
        elif any(value.is_complex() for value in [*layer.parameters(False), *layer.buffers(False)]):
            found[name] = f"{type(layer).__name__} with complex weights"
        elif not all(value.requires_grad for value in layer.parameters(False)):
            found[name] = f"{type(layer).__name__} with weights that need no gradient"
        elif plain := [
            key for key, value in vars(layer).items() if isinstance(value, Tensor) and value.grad_fn is None
        ]:
            found[name] = f"{type(layer).__name__} with a tensor `{plain[0]}` that is no buffer"
    if found:
        named = ", ".join(f"`{name}`, {what}" if name else what for name, what in found.items())
        raise ConfigError(
            f"`network` must have real weights and nothing else that changes, but has {named}: dropout is made by "
            "`neural.dropout` in `outputs`, no statistics are kept with `track_running_stats=False`, and arrays that "
            "are not trained are made by `register_buffer`."
        )
