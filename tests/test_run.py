"""A run is checked before it is trained, and counts once."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

import cifar_utils
from cifar_utils.data import load_cifar10, load_cifar10_test
from cifar_utils.experiments import ledger
from cifar_utils.experiments import run as experiment
from cifar_utils.models import build_model
from cifar_utils.pretrained import Trained
from cifar_utils.training import RECIPES


@pytest.fixture
def data():
    return load_cifar10("synthetic", val_size=50, limit=100)


@pytest.fixture
def test_set():
    return load_cifar10_test("synthetic", limit=50)


@pytest.fixture
def trainings(monkeypatch):
    """The seeds that were trained; here, a training is a rest."""
    seeds = []

    def rest(recipe, data, seed, **options):
        seeds.append(seed)
        time.sleep(0.2)
        return SimpleNamespace(
            model=build_model(recipe.model), recipe=recipe, seconds=0.2, images_per_second=500.0,
            operations=10**12, history={"val_accuracy": [0.1], "seconds": [0.2]},
        )  # fmt: skip

    monkeypatch.setattr(experiment, "train", rest)
    return seeds


@pytest.mark.parametrize("labels", [np.zeros((50, 1), int), np.zeros(49, int), np.full(50, 10)])
def test_test_labels_of_another_form_are_refused_before_the_training(
    labels, data, test_set, trainings, tmp_path
):
    with pytest.raises(ValueError, match=r"Expected (labels|as many)"):
        experiment.run_seed(
            "valid_cnn", data, (test_set[0], labels), 0, results=tmp_path, state=tmp_path
        )
    assert not trainings


def test_a_seed_that_two_processes_run_at_once_is_trained_and_counted_once(
    data, test_set, trainings, tmp_path
):
    def run(_):
        folders = {"results": tmp_path / "results", "state": str(tmp_path / "state")}
        return experiment.run_seed("valid_cnn", data, test_set, 3, **folders)

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(run, range(2))
    assert trainings == [3]
    assert first["test_accuracy"] == second["test_accuracy"]
    (record,) = ledger.read_records(tmp_path / "results")
    assert record["settings"] == RECIPES["valid_cnn"].settings()
    assert record["versions"]["cifar_utils"].startswith(cifar_utils.__version__)


def test_a_kept_network_knows_how_sure_it_has_to_be(data, tmp_path, monkeypatch):
    sure = np.linspace(0.99, 0.51, 50)  # of the 30 surest answers all are right, then none
    said = np.where(np.arange(50) < 30, data.y_val, (data.y_val + 1) % 10)
    probabilities = np.repeat((1 - sure)[:, None] / 9, 10, axis=1)
    probabilities[np.arange(50), said] = sure
    monkeypatch.setattr(experiment, "predict_probabilities", lambda *_, **__: probabilities)
    run = SimpleNamespace(model=build_model("valid_cnn"), recipe=RECIPES["valid_cnn"])
    experiment.keep_network(run, data, {"test_accuracy": 0.5}, tmp_path / "kept")
    about = Trained(**json.loads((tmp_path / "kept.json").read_text()))
    assert about.threshold == sure[29] and about.temperature == 1


def test_an_unfinished_run_does_not_go_on_on_another_machine(data, test_set, tmp_path, monkeypatch):
    files = []

    def killed(*_, resume, **options):
        files.append(resume)
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment, "train", killed)
    for cores in (2, 2, 4):
        machine = {"processor": "P", "cores": cores, "memory_gib": 8.0, "accelerator": "none"}
        monkeypatch.setattr(experiment, "usable_hardware", lambda machine=machine: dict(machine))
        with pytest.raises(KeyboardInterrupt):
            experiment.run_seed("valid_cnn", data, test_set, 0, results=tmp_path, state=tmp_path)
    assert files[0] == files[1] != files[2]
