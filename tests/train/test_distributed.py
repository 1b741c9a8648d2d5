"""Several workers on loopback: the model of one machine, the loss of a worker, and TF_CONFIG's faults."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest

from kws_runtime.errors import ClusterError
from kws_train.distributed import Cluster, read_cluster
from kws_train.rundir import RunDir
from tests.conftest import Run, assert_fault

TRAIN = Path(sys.executable).parent / "kws-train"
PATIENCE_S = 300  # generous: it only matters where something hangs
# Sums are taken in another order; AdamW's first steps go by the sign of a gradient, however small it is.
TOLERANCE = 1e-5

Worker = subprocess.Popen[str]


def free_addresses(count: int) -> list[str]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [f"127.0.0.1:{listener.getsockname()[1]}" for listener in sockets]


def config(addresses: list[str], index: int) -> str:
    return json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})


@contextmanager
def workers(folder: Path, *arguments: list[str]) -> Iterator[list[Worker]]:
    """`kws-train` with each of the arguments, as one cluster, each in a folder and a session of its own."""
    addresses = free_addresses(len(arguments))
    with ExitStack() as stack:
        started = []
        for index, one in enumerate(arguments):
            place = folder / f"worker{index}"
            place.mkdir(exist_ok=True)
            log = stack.enter_context((place / "log").open("w"))
            process = stack.enter_context(
                subprocess.Popen(
                    [TRAIN, *one],
                    env=os.environ | {"TF_CONFIG": config(addresses, index)},
                    cwd=place,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    start_new_session=True,
                    text=True,
                )
            )
            stack.callback(kill, process)
            started.append(process)
        yield started


def kill(process: Worker) -> None:
    """And the processes that make its streams."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


def said(folder: Path, index: int) -> str:
    return (folder / f"worker{index}" / "log").read_text()


def assert_last_line(text: str, says: str) -> None:
    """One line of fault behind the progress, nothing of TensorFlow's."""
    faults = [line for line in text.splitlines() if line.startswith("error: ")]
    assert len(faults) == 1, text
    assert text.splitlines()[-1] == faults[0], text
    assert says in faults[0]
    assert "Traceback" not in text
    assert "0000 " not in text, "TensorFlow's log"


def test_a_lost_worker_ends_all_and_resumed_they_make_the_model_of_one_machine(
    corpus: Path, tmp_path: Path, tiny_runs: dict[str, Path]
) -> None:
    """kill -9 of one in the second epoch; then both with --resume. Each in a folder of its own, as on two machines."""
    arguments = ["gru", "--data", str(corpus), "--size", "m", "--epochs", "2", "--chunks", "3", "--workers", "1"]
    chiefs, others = (tmp_path / f"worker{index}" / "runs" / "gru" for index in (0, 1))
    run = RunDir(chiefs)
    with workers(tmp_path, arguments, arguments) as (chief, other):
        deadline = time.monotonic() + PATIENCE_S
        while not run.history():
            assert time.monotonic() < deadline
            assert chief.poll() is None, said(tmp_path, 0)
            time.sleep(0.02)
        kill(other)
        assert chief.wait(PATIENCE_S) == 1
    assert_last_line(said(tmp_path, 0), "no longer there; start all workers again with --resume")
    assert not others.exists(), "only the chief writes"

    shutil.copytree(chiefs, others)
    before = {path.name: path.read_bytes() for path in others.iterdir()}
    with workers(tmp_path, [*arguments, "--resume"], [*arguments, "--resume"]) as both:
        assert [process.wait(PATIENCE_S) for process in both] == [0, 0], said(tmp_path, 0) + said(tmp_path, 1)
    assert {path.name: path.read_bytes() for path in others.iterdir()} == before
    assert [row["epoch"] for row in run.history()] == [1, 2]
    assert json.loads((chiefs / "run.json").read_text())["figures"]["epochs"] == 2
    alone, together = (RunDir(path).read_arrays("last.npz") for path in (tiny_runs["gru"], chiefs))
    assert alone.keys() == together.keys()
    for name in alone:
        if name.startswith("weight/"):
            np.testing.assert_allclose(together[name], alone[name], atol=TOLERANCE, rtol=0, err_msg=name)


def test_workers_with_other_arguments_are_refused(corpus: Path, tmp_path: Path) -> None:
    """On all of them."""
    arguments = ["gru", "--data", str(corpus), "--size", "m", "--epochs", "2", "--chunks", "3", "--workers", "1"]
    with workers(tmp_path, arguments, [*arguments, "--seed", "1"]) as both:
        assert [process.wait(PATIENCE_S) for process in both] == [1, 1]
    for index in (0, 1):
        assert_last_line(said(tmp_path, index), "its arguments are not those of the chief")


def test_ctrl_c_is_heard_while_the_others_are_waited_for(corpus: Path, tmp_path: Path) -> None:
    """TensorFlow by itself is deaf then."""
    environment = os.environ | {"TF_CONFIG": config(free_addresses(2), 0)}
    arguments = ["gru", "--data", str(corpus), "--size", "m", "--epochs", "2", "--chunks", "3", "--workers", "1"]
    with subprocess.Popen(
        [TRAIN, *arguments], env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stderr
        assert process.stderr.readline().startswith("waiting for 127.0.0.1:")
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert errors == ""


def test_the_shares_are_all_streams_once() -> None:
    """Whatever the number of workers."""
    for count in (1, 2, 3, 5):
        cluster = [Cluster(tuple(f"h:{port}" for port in range(count)), rank) for rank in range(count)]
        assert [index for one in cluster for index in one.share(64)] == list(range(64))


def test_the_chief_comes_first() -> None:
    """A job `chief`, or else worker 0."""
    jobs = {"worker": ["b:1", "c:1"], "chief": ["a:1"]}
    cluster = read_cluster({"TF_CONFIG": json.dumps({"cluster": jobs, "task": {"type": "worker", "index": 1}})})
    assert cluster == Cluster(("a:1", "b:1", "c:1"), 2)
    assert cluster.others == "a:1, b:1"
    assert read_cluster({"TF_CONFIG": config(["a:1", "b:1"], 0)}).is_chief
    assert read_cluster({}) == Cluster()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON"),
        ("[]", "must be"),
        ("{}", "must be"),
        ('{"cluster": {"worker": ["a:1"]}}', "must be"),
        ('{"cluster": {"worker": 1}, "task": {"type": "worker", "index": 0}}', "must be"),
        ('{"cluster": {}, "task": {"type": "worker", "index": 0}}', "no worker 0 among the 0"),
        (config(["a:1", "b:1"], 2), "no worker 2 among the 2"),
        (config(["a:1", "b"], 0), "'b' is not host:port"),
        (config(["a:1", ":1"], 0), "':1' is not host:port"),
        (config(["a:1", ""], 0), "'' is not host:port"),
        (config(["a:1", "a:1"], 0), "same address"),
        ('{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "ps", "index": 0}}', "ps: only chief"),
    ],
    ids=str,
)
def test_faults_of_tf_config_are_named(text: str, says: str) -> None:
    """What, and how it must be."""
    with pytest.raises(ClusterError, match="TF_CONFIG: ") as caught:
        read_cluster({"TF_CONFIG": text})
    assert says in str(caught.value)


def test_a_faulty_tf_config_is_one_line_before_anything_else(run_command: Run, tmp_path: Path) -> None:
    """Even before the recordings are looked for."""
    done = run_command("kws-train", "gru", "--data", "nowhere", cwd=tmp_path, env=os.environ | {"TF_CONFIG": "{"})
    assert_fault(done, "TF_CONFIG: not JSON")
    assert list(tmp_path.iterdir()) == []
