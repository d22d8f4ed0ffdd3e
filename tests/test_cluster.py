"""Studies on a real cluster: a dask scheduler and workers in processes of their own, on loopback."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest

import nngraph as nng
from nngraph.cli import app
from nngraph.errors import StudyError
from nngraph.studies import Training

distributed = pytest.importorskip("distributed")
pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("default::ResourceWarning"),
    pytest.mark.filterwarnings("default::pytest.PytestUnraisableExceptionWarning"),
]


class _Cluster:
    def __init__(self, folder):
        self.processes = []
        self.folder = folder
        described = folder / "scheduler.json"
        self.scheduler = self.start(
            "dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(described)
        )
        until = time.monotonic() + 60
        while not described.exists() and time.monotonic() < until:
            time.sleep(0.1)
        self.address = json.loads(described.read_text())["address"]

    def start(self, program, *options):
        log = (self.folder / f"log-{len(self.processes)}.txt").open("wb")
        command = [sys.executable, "-m", f"distributed.cli.{program}", *options]
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | {"OMP_NUM_THREADS": "1"})
        log.close()
        self.processes.append(process)
        return process

    def workers(self, n, *options):
        return [
            self.start("dask_worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard", *options)
            for _ in range(n)
        ]

    def client(self, n):
        client = distributed.Client(self.address, timeout=60)
        client.wait_for_workers(n, timeout=120)
        return client

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path):
    folder = tmp_path / "cluster"
    folder.mkdir()
    made = _Cluster(folder)
    yield made
    made.close()


def _study(seeds):
    digits = nng.datasets.load("digits")
    large = np.zeros((1797, 784))
    return nng.Study(
        {"easy {0,7}": lambda rng: digits.pair(0, 7, rng=rng), "hard {1,8}": lambda rng: digits.pair(1, 8, rng=rng)},
        ops={"prune": [0, 0.5], "shifted": lambda G, rng: G.with_weights(G.weights() + large[0, 0])},
        nulls="BG",
        draws=1,
        seeds=seeds,
        network=Training(hidden=(16,), epochs=2, select="last"),
    )


def test_a_study_whose_worker_is_killed_has_the_rows_of_a_serial_one(cluster, tmp_path):
    study = _study(seeds=6)
    serial = study.run(tmp_path / "serial", figures=False)
    first, *_ = cluster.workers(3)
    parts = tmp_path / "clustered" / "parts"
    killed = []

    def kill():
        while len(list(parts.glob("*.parquet"))) < 2:
            time.sleep(0.01)
        killed.append(len(list(parts.glob("*.parquet"))))
        first.send_signal(signal.SIGKILL)

    with cluster.client(3), joblib.parallel_config(backend="dask"):
        watch = threading.Thread(target=kill, daemon=True)
        watch.start()
        clustered = study.run(tmp_path / "clustered", figures=False)
    watch.join(timeout=10)
    assert killed
    assert killed[0] < 12  # in mid-study
    assert first.wait(timeout=10) == -signal.SIGKILL
    pd.testing.assert_frame_equal(clustered, serial)
    bits = [(tmp_path / name / "results.parquet").read_bytes() for name in ("serial", "clustered")]
    assert bits[0] == bits[1]
    assert not list((tmp_path / "clustered").glob(".work-*"))


def test_a_worker_without_the_package_is_one_sentence_and_costs_nothing(cluster, tmp_path):
    hide = tmp_path / "hide.py"
    hide.write_text(
        "import sys\n\n\n"
        "class Hide:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'nngraph':\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n\n\n"
        "sys.meta_path.insert(0, Hide())\n"
    )
    cluster.workers(1, "--preload", str(hide))
    study = _study(seeds=1)
    with (
        cluster.client(1),
        joblib.parallel_config(backend="dask"),
        pytest.raises(StudyError, match=r"the worker on .* cannot import .*Install nngraph .* for every worker"),
    ):
        study.run(tmp_path / "results", figures=False)
    assert len(study.run(tmp_path / "results", figures=False))  # the same folder goes on without a cluster


def test_a_scheduler_that_is_lost_is_one_sentence_and_the_study_goes_on_without_it(cluster, tmp_path):
    cluster.workers(1)
    study, parts = _study(seeds=4), tmp_path / "results" / "parts"

    def kill():
        while not list(parts.glob("*.parquet")):
            time.sleep(0.01)
        cluster.scheduler.kill()

    client = cluster.client(1)
    with joblib.parallel_config(backend="dask"):
        threading.Thread(target=kill, daemon=True).start()
        with pytest.raises(StudyError, match=r"the cluster is lost .* run the study again"):
            study.run(tmp_path / "results", figures=False)
    client.close(timeout=1)
    done = len(list(parts.glob("*.parquet")))
    assert 1 <= done < 8
    assert len(study.run(tmp_path / "results", figures=False)["seed"].unique()) == 4


def test_the_command_line_runs_a_study_on_a_cluster(cluster, tmp_path):
    from typer.testing import CliRunner

    cluster.workers(2)
    out = tmp_path / "results"
    small = ["--pairs", "0,7", "--hidden", "4", "--seeds", "1", "--epochs", "1", "--draws", "1"]
    result = CliRunner().invoke(app, ["study", *small, "--cluster", cluster.address, "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert set(pd.read_parquet(out / "results.parquet")["status"]) == {"ok"}


def test_an_unreachable_cluster_is_one_sentence(tmp_path):
    from typer.testing import CliRunner

    out = tmp_path / "results"
    result = CliRunner().invoke(app, ["study", "--cluster", "tcp://127.0.0.1:9", "--out", str(out)])
    assert result.exit_code == 1
    assert "no scheduler answers at tcp://127.0.0.1:9" in result.output
    assert not out.exists()


@pytest.mark.parametrize("address", ["foo", "tcp://", "tcp://node:port", "node7:8786"])
def test_what_is_no_address_is_refused_before_a_client_is_made(address, tmp_path):
    from typer.testing import CliRunner

    out = tmp_path / "results"
    result = CliRunner().invoke(app, ["study", "--cluster", address, "--out", str(out)])
    assert result.exit_code != 0
    assert f"--cluster: got '{address}'; expected the address" in " ".join(result.output.split())
    assert not out.exists()


PAGE = (Path(__file__).parents[1] / "docs" / "howto" / "cluster.md").read_text(encoding="utf-8")
SBATCH = """#!/bin/sh
# what SLURM's command does, on this machine: run the job, say its number
cp "$1" job.sh  # the caller deletes its file once this has returned
nohup sh job.sh > job.txt 2>&1 &
echo Submitted batch job $!
"""


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("needs", ["distributed", "dask_jobqueue", "ray"])
def test_the_python_of_the_page_runs_and_prints_what_it_says(needs, tmp_path, monkeypatch, capsys):
    pytest.importorskip(needs)
    blocks = re.findall(r"```python\n(.*?)```\n```text\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(blocks) == 3
    for name, text in (("sbatch", SBATCH), ("scancel", "#!/bin/sh\nkill $1\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    if needs == "ray":
        monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    names = {}
    for code, printed in blocks:
        if "LocalCluster" in code or needs in code:
            capsys.readouterr()
            exec(code, names)
            assert capsys.readouterr().out.endswith(printed)
