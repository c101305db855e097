"""Training on a dask cluster: the same bits as here, whatever dies meanwhile; only with
credentials; only with the same code; and true words where there is none.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from dask import config as dask_config
from distributed import Client, LocalCluster

from analysis._processes import quiet_children
from analysis.runs import cluster
from analysis.runs.cluster import CODE, digest, sources, train_batch
from analysis.runs.executors import Execution, WorkerError
from analysis.runs.store import RunStore
from analysis.runs.sweep import ensure, train
from neural import History, RunConfig
from neural import start as start_of
from neural.counting import count
from tests.analysis.test_families import HERE, assert_same, mixed_plan

TLS = "distributed.comm.tls"


def local_cluster(n_workers: int, **options) -> Any:
    places = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with quiet_children():
        return LocalCluster(n_workers=n_workers, threads_per_worker=1, silence_logs=50, **places, **options)


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory) -> Iterator[str]:
    """The address of a cluster with two workers and TLS, as docs/cluster.md starts one;
    this process is configured for it.
    """
    if shutil.which("openssl") is None:
        pytest.skip("nothing was checked about clusters: there is no openssl here to make credentials")
    folder = tmp_path_factory.mktemp("credentials")
    words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=dask -keyout key.pem -out cert.pem"
    subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True)
    cert, key = str(folder / "cert.pem"), str(folder / "key.pem")
    credentials = {f"{TLS}.ca-file": cert}
    for role in ("scheduler", "worker", "client"):
        credentials |= {f"{TLS}.{role}.cert": cert, f"{TLS}.{role}.key": key}
    with dask_config.set(credentials), local_cluster(2, protocol="tls://") as running:
        yield str(running.scheduler_address)


def test_dask_workers_leave_the_same(tmp_path: Path, scheduler: str) -> None:
    """All families: the bits of the runs are those of one process."""
    here, there = tmp_path / "here.sqlite", tmp_path / "there.sqlite"
    for path, execution in ((here, HERE), (there, Execution("cpu", scheduler=scheduler))):
        with RunStore(path) as store:
            assert ensure(mixed_plan(), store, execution) == 9
    assert_same(there, here)


def test_a_workers_address_is_no_schedulers(tmp_path: Path, scheduler: str) -> None:
    with Client(scheduler, set_as_default=False) as client:
        worker = min(client.scheduler_info()["workers"])
    assert refused(tmp_path, worker).endswith(f"but {worker}: it is the address of a dask worker.")


def test_killed_workers_do_not_stop_a_sweep(scheduler: str, monkeypatch, capsys) -> None:
    """Their nanny starts others, and the tasks are done again. As long as there is no
    worker, the command says that it waits.
    """
    monkeypatch.setattr(cluster, "PATIENCE", 0.1)
    base = RunConfig(p=5, n_train=12, width=16, budget=400, repr_lr=1e-2, decoder_lr=1e-3)
    configs = [replace(base, seed=seed) for seed in range(24)]
    kept: list[RunConfig] = []
    killed: list[int] = []

    def keep(history: History, *trained_on: str) -> None:
        kept.append(history.config)
        if not killed:
            children = psutil.Process().children(recursive=True)
            killed.extend(child.pid for child in children if "spawn_main" in " ".join(child.cmdline()))
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    train(configs, Execution("cpu", scheduler=scheduler), keep, lambda n: None)
    assert len(killed) == 2
    assert sorted(map(repr, kept)) == sorted(map(repr, configs))
    assert "waiting: the dask cluster has no workers" in capsys.readouterr().err


def test_an_error_in_a_worker_is_told(scheduler: str) -> None:
    broken = RunConfig(p=5, n_train=12, width=16, budget=10)
    count(broken)  # its cost is known here, so that the worker is the first to meet what follows
    object.__setattr__(broken, "repr_lr", "fast")
    with pytest.raises(WorkerError, match=r"^a dask worker failed: ValueError: .*; finished runs are kept\.$"):
        train([broken], Execution("cpu", scheduler=scheduler), lambda *run: None, lambda n: None)


def change_code(text: str) -> None:
    """As if this worker had started with other files."""
    cluster.CODE = text


def test_a_worker_with_other_code_is_given_no_work(scheduler: str) -> None:
    """Before anything is trained, as its rows would stand under this version's keys."""
    with Client(scheduler, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)  # after a kill
        changed = min(client.scheduler_info()["workers"])
        client.run(change_code, "source 0123456789ab, torch 1.2.3", workers=[changed])
        kept: list[object] = []
        try:
            with pytest.raises(WorkerError) as error:
                train(mixed_plan(), Execution("cpu", scheduler=scheduler), lambda *run: kept.append(run), kept.append)
        finally:
            client.run(change_code, CODE, workers=[changed])
    says = f"torch ({CODE}), but 1 of 2 have not: {changed} has source 0123456789ab, torch 1.2.3."
    assert str(error.value).endswith(says)
    assert kept == []


def test_a_worker_that_comes_later_is_compared_as_well() -> None:
    with pytest.raises(WorkerError, match=r"must have this version .*\(source 0\), but one has source"):
        train_batch([], "cpu", 2, "source 0")


def test_the_digest_is_that_of_the_source(tmp_path: Path) -> None:
    """However lines end; one changed number in toy.py is another."""
    files = sources()
    assert {"families/toy.py", "ensemble.py", "analysis/runs/cluster.py"} <= files.keys()
    assert digest(files) in CODE
    toy = tmp_path / "toy.py"
    text = files["families/toy.py"].read_text(encoding="utf-8")
    toy.write_bytes(text.replace("\n", "\r\n").encode())
    assert digest(files | {"families/toy.py": toy}) == digest(files)
    toy.write_text(text + "\n# 2\n", encoding="utf-8")
    assert digest(files | {"families/toy.py": toy}) != digest(files)
    assert digest({**files, "families/more.py": toy}) != digest(files)


def test_a_task_draws_its_networks_undisturbed() -> None:
    """Also where a dask worker has several threads: weights come from torch's global
    generator.
    """
    configs = [RunConfig(seed=seed, budget=1, width=4) for seed in range(40)]
    with ThreadPoolExecutor(4) as pool:
        tasks = [pool.submit(train_batch, [config], "cpu", 2, CODE) for config in configs]
    for config, task in zip(configs, tasks, strict=True):  # all are done: here, too, a draw must be alone
        [history], *_ = task.result()
        assert np.array_equal(history.checkpoints["embedding"][0], start_of(config).model.embedding.detach().numpy())


def refused(tmp_path: Path, address: str) -> str:
    """What is said of a scheduler that cannot be used; the store is free afterwards."""
    with RunStore(tmp_path / "runs.sqlite") as store:
        with pytest.raises(WorkerError) as error:
            ensure(mixed_plan(), store, Execution(scheduler=address))
        with store.training():  # would wait for ever
            pass
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://x", "127.0.0.1:notaport"])
def test_an_unreachable_scheduler_is_one_clear_error(tmp_path: Path, monkeypatch, address: str) -> None:
    monkeypatch.setattr(cluster, "ANSWER", 1.0)
    assert refused(tmp_path, address).startswith("`scheduler` must be the address of a running dask scheduler, but")


def test_a_cluster_with_tls_refuses_who_has_no_credentials(tmp_path: Path, scheduler: str) -> None:
    """A plain connection, TLS without any credentials, and with others."""
    refused(tmp_path, scheduler.replace("tls://", "tcp://"))
    with dask_config.set({f"{TLS}.client.cert": None, f"{TLS}.client.key": None}):
        refused(tmp_path, scheduler)
    with dask_config.set({f"{TLS}.ca-file": None}):
        assert "dask's configuration has no ca-file under distributed.comm.tls" in refused(tmp_path, scheduler)


@pytest.mark.parametrize(
    ("banner", "says"),
    [
        (b"", "accepts a connection, but has not answered after 0.5 s"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "what answers there is not dask"),  # 3 EB, read as a length
        (bytes(64), "what answers there is not dask"),
    ],
    ids=["silent", "http", "zeros"],
)
def test_another_server_is_one_clear_error(tmp_path: Path, monkeypatch, banner: bytes, says: str) -> None:
    """Also one that accepts connections and never says a word."""
    monkeypatch.setattr(cluster, "ANSWER", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        connections = []

        def serve() -> None:
            with suppress(OSError):  # closed
                while True:
                    connections.append(server.accept()[0])
                    connections[-1].sendall(banner)

        threading.Thread(target=serve, daemon=True).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        assert refused(tmp_path, address).endswith(f"but {address}: {says}.")
        for connection in connections:
            connection.close()


@pytest.mark.parametrize("closes", [False, True], ids=["no workers", "lost"])
def test_a_cluster_that_cannot_work_is_one_clear_error(monkeypatch, closes: bool) -> None:
    monkeypatch.setattr(cluster, "ANSWER", 1.0)
    says = "scheduler was lost before work was given out: " if closes else r"cluster has no workers, also after 1 s\.$"
    with local_cluster(0, protocol="tcp://") as empty:
        closing = threading.Thread(target=lambda: (time.sleep(0.5), empty.close()))
        if closes:
            closing.start()
        with pytest.raises(WorkerError, match=f"^the dask {says}"):
            train(mixed_plan(), Execution(scheduler=empty.scheduler_address), lambda *run: None, lambda n: None)
        if closes:
            closing.join()


def test_a_scheduler_that_ends_is_one_clear_error(monkeypatch) -> None:
    """While runs are trained."""
    monkeypatch.setattr(cluster, "ANSWER", 1.0)
    base = RunConfig(p=5, n_train=12, width=16, budget=100)
    configs, kept = [replace(base, seed=seed) for seed in range(60)], []
    with local_cluster(1, protocol="tcp://", processes=False) as ending:

        def keep(*run: object) -> None:
            kept.append(run)
            ending.close()

        with pytest.raises(WorkerError, match=r"^the dask cluster was lost: .*; finished runs are kept\.$"):
            train(configs, Execution(scheduler=ending.scheduler_address), keep, lambda n: None)
    assert 0 < len(kept) < 60
