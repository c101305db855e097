"""Training what is missing: whichever executor does it and whatever dies meanwhile, the
store ends up the same.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace
from multiprocessing.context import SpawnProcess
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil
import pytest
import tyro

from analysis.runs.executors import MAX_DEATHS, Execution, WorkerError, lanes_for, whole
from analysis.runs.plan import Axis, grid
from analysis.runs.store import RunStore, StoreError
from analysis.runs.sweep import ensure, train
from analysis.sweep import Arguments, main
from neural import ConfigError, History, RunConfig
from neural.counting import count
from neural.training import COMPILE_FROM

SWEEP = [sys.executable, "-m", "analysis.sweep"]
GRID = ["--x", "repr_lr=1e-3:1e-2:4:log", "--seeds", "8", "--set", "p=5", "n_train=12", "width=16", "--budget", "400"]
N_RUNS = 32
HERE = Execution(device="cpu", executor="in-process")


def plan(budget: int = 300, seeds: int = 3) -> list[RunConfig]:
    """Two shapes, a few runs each."""
    base = RunConfig(p=5, n_train=12, width=16, budget=budget, repr_lr=1e-2, decoder_lr=1e-3)
    return grid(base, [Axis("d", (1, 2))], seeds)


def content(path: Path) -> list[tuple]:
    """Every cell of every run, the key first."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute("select * from runs join curves using (key) order by key").fetchall()


def test_a_finished_grid_is_extended(tmp_path, monkeypatch):
    """Only what is new is trained; and what does not arrive in the store is missed."""
    asked: list[RunConfig] = []

    def fake(missing, execution, keep, on_work):
        asked.extend(missing)
        on_work(sum(map(whole, missing)))

    says = r"`store` must have all 8 runs after training, but .* lacks 2 \(seed 3 of toy, seed 3 of toy\)"
    with RunStore(tmp_path / "runs.sqlite") as store:
        assert ensure(plan(), store, HERE) == len(plan())
        monkeypatch.setattr("analysis.runs.sweep.train", fake)
        with pytest.raises(StoreError, match=says):
            ensure(plan(seeds=4), store, HERE)
    assert {config.seed for config in asked} == {3}
    assert len(asked) == 2


def test_compiled_runs_have_the_same_bits_in_every_process(tmp_path):
    """From COMPILE_FROM steps on; two here, and the same two among others in another
    process.
    """
    configs = plan(budget=COMPILE_FROM, seeds=4)[:4]
    tables = []
    for path, runs, execution in (
        (tmp_path / "here.sqlite", configs[:2], HERE),
        (tmp_path / "there.sqlite", configs, Execution("cpu", "processes", workers=1)),
    ):
        with RunStore(path) as store:
            ensure(runs, store, execution)
        tables.append(content(path))
    assert set(tables[0]) < set(tables[1])
    with RunStore(tmp_path / "here.sqlite") as store:
        compiled = store.select()["compiled"].all()
    if not compiled:
        pytest.skip("nothing was checked about compiled runs: this machine cannot compile")


def test_an_error_in_a_worker_is_told_once(capfd):
    """With its traceback. A bug would come again in every other worker, so that none is
    started in its place.
    """
    broken = RunConfig(p=5, n_train=12, width=16, budget=10)
    count(broken)  # its cost is known here, so that the process is the first to meet what follows
    object.__setattr__(broken, "repr_lr", "fast")
    with pytest.raises(WorkerError, match="a training process failed: ValueError"):
        train([broken], Execution("cpu", "processes"), lambda *run: None, lambda n: None)
    assert capfd.readouterr().err.count("Traceback") == 1


def test_processes_that_cannot_be_started_are_one_clear_error(monkeypatch):
    """Where a system allows no more."""

    def refuse(self) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(SpawnProcess, "start", refuse)
    with pytest.raises(WorkerError, match=r"^a training process cannot be started: .*unavailable; `--executor in-"):
        train(plan(), Execution("cpu", "processes"), lambda *run: None, lambda n: None)


def test_an_error_while_training_is_not_the_stores(tmp_path):
    """Nor does it keep the lock; a kill is tested below."""
    lost = pytest.raises(OSError, match=r"^a lost connection$")
    for _ in range(2):
        with RunStore(tmp_path / "runs.sqlite") as store, lost, store.training():
            raise OSError("a lost connection")


def count_finished(path: Path) -> int:
    """Finished runs in a store that another process is writing."""
    if not path.exists():
        return 0
    with contextlib.closing(sqlite3.connect(path)) as connection, contextlib.suppress(sqlite3.OperationalError):
        return connection.execute("select count(*) from runs").fetchone()[0]
    return 0


def test_a_dead_worker_is_replaced(tmp_path):
    """Killed from outside: its runs go to another, and nothing is trained twice but
    those. Nor do processes open a port, where others could send them work.
    """
    execution = Execution("cpu", workers=2).resolved()
    assert execution.executor == "processes"
    configs = plan(budget=400, seeds=12)
    kept: list[RunConfig] = []
    work: list[float] = []
    killed: list[BaseProcess] = []

    def kill() -> None:
        deadline = time.monotonic() + 120
        while not killed and time.monotonic() < deadline:
            time.sleep(0.01)
            if kept and (children := multiprocessing.active_children()):
                killed.append(random.Random(0).choice(children))
                killed[0].kill()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()

    def keep(history: History, *trained_on: str) -> None:
        kept.append(history.config)
        if len(kept) == 1:
            ports.extend(open_ports() - before)

    def open_ports() -> set[tuple[str, int]]:
        """Of this process and those that it has started."""
        open_now = set()
        for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):  # killed meanwhile
                connections = process.net_connections("inet")
                open_now |= {tuple(each.laddr) for each in connections if each.status == psutil.CONN_LISTEN}
        return open_now

    before, ports = open_ports(), []
    train(configs, execution, keep, work.append)
    killer.join()
    assert [process.exitcode for process in killed] == [-signal.SIGKILL]
    assert ports == []
    assert sorted(map(repr, kept)) == sorted(map(repr, configs))
    assert sum(work) == pytest.approx(sum(map(whole, configs)))  # what died with the worker counts once


def test_workers_that_keep_dying_are_one_clear_error(tmp_path, monkeypatch, histories):
    """And no finished run is lost."""
    killed: list[int] = []

    def kill_all() -> None:
        while len(killed) <= MAX_DEATHS:
            for child in multiprocessing.active_children():
                if child.pid and child.pid not in killed:
                    killed.append(child.pid)
                    child.kill()
            time.sleep(0.01)

    with RunStore(tmp_path / "runs.sqlite") as store:
        store.add(histories[0], "cpu", "test")
        killer = threading.Thread(target=kill_all, daemon=True)
        killer.start()
        with pytest.raises(WorkerError, match=r"died 4 times \(the last with exit status -9\)"):
            ensure([RunConfig(budget=200, seed=seed) for seed in range(4)], store, Execution("cpu", "processes"))
        killer.join()
        assert store.missing([histories[0].config]) == []


@pytest.mark.parametrize(
    ("execution", "says"),
    [
        (Execution(workers=0), "`workers` must be an integer of at least 1"),
        (Execution(workers=2, scheduler="tcp://127.0.0.1:1"), "`workers` must be left out with a scheduler"),
        (Execution(executor="processes", scheduler="tcp://127.0.0.1:1"), "`executor` must be dask where a scheduler"),
        (Execution(executor="in-process", workers=2), "`workers` must be left out in-process"),
        (Execution(executor="dask"), "`scheduler` must be the address of a dask scheduler with the executor dask"),
    ],
)
def test_executions_that_cannot_be(execution, says):
    with pytest.raises(ConfigError, match=says):
        execution.resolved()


@pytest.mark.parametrize(("n_runs", "lanes"), [(1, 2), (2, 2), (9, 5), (100, 8)])
def test_no_more_lanes_than_runs(monkeypatch, n_runs, lanes):
    """On two cores, and never fewer than the two from which on bits do not depend on
    company.
    """
    monkeypatch.setattr(Execution, "n_workers", lambda self: 2)
    assert lanes_for([RunConfig()] * n_runs, Execution("cpu", "processes")) == lanes


def test_a_cluster_with_gpus_needs_none_here():
    """The driver may be a laptop: what the workers have is theirs to know."""
    execution = Execution("cuda", scheduler="tcp://127.0.0.1:1").resolved()
    assert (execution.device, execution.executor) == ("cuda", "dask")
    assert lanes_for([RunConfig()] * 10_000, execution) == 8


# ---- the command; killed, as a process of its own ----


def words(folder: Path) -> list[str]:
    return [*GRID, "--store", str(folder / "runs.sqlite"), "--out", str(folder / "out")]


def start(folder: Path) -> subprocess.Popen:
    pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
    return subprocess.Popen(
        [*SWEEP, *words(folder), "--workers", "1"], stdout=nowhere, stderr=pipe, text=True, start_new_session=True
    )


def sweep_here(folder: Path) -> None:
    main(tyro.cli(Arguments, args=[*words(folder), "--executor", "in-process"]))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    sweep_here(folder)
    assert count_finished(folder / "runs.sqlite") == N_RUNS
    return folder


def test_a_killed_sweep_resumes_to_the_same_table(tmp_path, undisturbed, capsys):
    """SIGKILL of the driver alone while runs are coming in; then the same sweep once
    more, by another executor.
    """
    store = tmp_path / "runs.sqlite"
    process = start(tmp_path)
    deadline = time.monotonic() + 120
    while not 0 < count_finished(store) < N_RUNS:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    orphans = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    kept = count_finished(store)
    _, alive = psutil.wait_procs(orphans, timeout=60)
    assert not alive  # workers without a driver end by themselves
    assert count_finished(store) == kept < N_RUNS
    sweep_here(tmp_path)
    assert f"{N_RUNS} runs, {N_RUNS - kept} of them trained now" in capsys.readouterr().err
    assert content(store) == content(undisturbed / "runs.sqlite")
    assert (tmp_path / "out/report.md").read_text() == (undisturbed / "out/report.md").read_text()


def test_a_second_command_on_one_store_waits_for_the_first(tmp_path, undisturbed, monkeypatch, capsys):
    """It says so, and finds everything trained. It is started when the first, here, has
    its first run.
    """
    begun: list[subprocess.Popen] = []
    add = RunStore.add

    def start_another(store: RunStore, *run) -> None:
        if not begun:
            begun.append(start(tmp_path))
            told = begun[0].stderr
            assert told is not None
            assert any("waiting for another command that is training into" in line for line in told)
        add(store, *run)

    monkeypatch.setattr(RunStore, "add", start_another)
    sweep_here(tmp_path)
    _, told = begun[0].communicate(timeout=240)
    assert begun[0].returncode == 0, told
    assert f"{N_RUNS} runs, {N_RUNS} of them trained now" in capsys.readouterr().err
    assert f"{N_RUNS} runs, 0 of them trained now" in told
    assert content(tmp_path / "runs.sqlite") == content(undisturbed / "runs.sqlite")


def test_a_full_disk_is_one_clear_error(tmp_path, monkeypatch):
    """What was kept before it filled up stays."""
    configs = plan(seeds=4)
    with RunStore(tmp_path / "runs.sqlite") as store:
        ensure(configs[:2], store, HERE)
        pages = store.connection.execute("PRAGMA page_count").fetchone()[0]
        store.connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(StoreError, match=r"`store` must be a file that can be written, but .*full"):
            ensure([replace(config, width=64) for config in configs], store, HERE)
    with RunStore(tmp_path / "runs.sqlite") as store:
        assert store.missing(configs[:2]) == []
