"""A plan that a cluster works off is complete in the end, whatever happens to its machines."""

import os
import subprocess
import sys
import time

import pytest

from cifar_utils.__main__ import main
from cifar_utils.experiments.ledger import read_records

PLAN = """
[[runs]]
recipe = "valid_cnn"
epochs = 1
seeds = 5
"""

LIMIT = 200  # seconds; some 20 are usual


@pytest.fixture
def cluster(monkeypatch):
    """Two machines with a core each, and one that only keeps the books."""
    pytest.importorskip("ray", reason="Ray is not installed: the cluster is not tested")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_worker_niceness", "0")  # or other tests would hold it up
    few = {"object_store_memory": 100 * 2**20}
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **few})
    made.machines = [made.add_node(num_cpus=1, **few) for _ in range(2)]
    yield made
    made.shutdown()


def test_a_ledger_is_complete_though_a_machine_is_lost_amid_a_run(cluster, tmp_path):
    (tmp_path / "plan.toml").write_text(PLAN)
    command = [sys.executable, "-m", "cifar_utils", "run", "--missing", "--limit", "400"]
    command += ["--results", str(tmp_path), "--cluster", cluster.address]
    environment = os.environ | {"CIFAR_UTILS_SOURCE": "synthetic"}
    driver = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        begin = time.monotonic()
        while not read_records(tmp_path):
            assert driver.poll() is None and time.monotonic() - begin < LIMIT
            time.sleep(0.05)
        # Three runs wait: so this machine is busy.
        cluster.remove_node(cluster.machines[0], allow_graceful=False)
        told, _ = driver.communicate(timeout=LIMIT)
    finally:
        driver.kill()
    assert driver.returncode == 0
    assert "5 of 5 runs are missing" in told
    assert told.endswith("Nothing is missing: the ledger holds all 5 runs of the plan.\n")
    assert [record["seed"] for record in read_records(tmp_path)] == [0, 1, 2, 3, 4]


def test_an_address_without_a_cluster_is_refused(tmp_path, monkeypatch, capsys):
    pytest.importorskip("ray", reason="Ray is not installed: the cluster is not tested")
    monkeypatch.setenv("CIFAR_UTILS_SOURCE", "synthetic")
    (tmp_path / "plan.toml").write_text(PLAN)
    options = ["--results", str(tmp_path), "--limit", "100", "--cluster", "nowhere"]
    assert main(["run", "--missing", *options]) == 1
    assert "Expected a Ray cluster at 'nowhere'" in capsys.readouterr().err
