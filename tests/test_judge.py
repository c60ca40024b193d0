"""A network is judged once, by figures that evaluation gives, each with an interval."""

import json

import keras
import numpy as np
import pytest

from cifar_utils.__main__ import main
from cifar_utils.data import Flaws, fingerprint, load_cifar10_test
from cifar_utils.evaluation import (
    accuracy_interval,
    brier_score,
    corrupt,
    expected_calibration_error,
    human_agreement,
    negative_log_likelihood,
    predict_probabilities,
)
from cifar_utils.experiments import judge as lab
from cifar_utils.experiments.ledger import read_records
from cifar_utils.experiments.tables import FIGURES
from cifar_utils.models import build_model
from cifar_utils.pretrained import Trained, read_network, write_network

TEMPERATURE = 2.0


@pytest.fixture
def network(tmp_path, monkeypatch):
    """Path of a network's .json, as ``run --weights`` writes it."""
    monkeypatch.setenv("CIFAR_UTILS_SOURCE", "synthetic")
    monkeypatch.setattr(lab, "RESAMPLES", 50)
    keras.utils.set_random_seed(0)
    file = tmp_path / "kept" / "train-linear-seed3-0.json"
    about = {
        "network": "linear", "options": {}, "recipe": "linear", "record": file.stem,
        "test_accuracy": 0.1, "temperature": TEMPERATURE,
        "sha256": write_network(build_model("linear"), file.with_suffix(".npz")),
    }  # fmt: skip
    file.write_text(json.dumps(about))
    return file


@pytest.fixture
def test_set():
    return load_cifar10_test("synthetic", limit=100)


def predicted(network, images, temperature=1.0):
    about = Trained(**json.loads(network.read_text()))
    model = read_network(about, network.with_suffix(".npz"))
    return predict_probabilities(model, images, temperature=temperature)


def test_the_command_judges_a_network_once_and_shows_what_it_found(network, tmp_path, capsys):
    command = ["judge", str(network), "--limit", "50", "--results", str(tmp_path / "results")]
    assert main(command) == 0
    first = capsys.readouterr().out
    assert "| mean accuracy under corruption |" in first and "people" not in first
    assert main(command) == 0
    assert "in the ledger already" in (again := capsys.readouterr().out)
    assert again.partition("|")[2] == first.partition("|")[2]
    (record,) = read_records(tmp_path / "results")
    about = {"kind": "judge", "recipe": "linear", "network": "linear", "seed": 3}
    about |= {"record": network.stem, "temperature": TEMPERATURE, "test_images": 50}
    assert about.items() <= record.items()
    assert record["data"]["name"] == "synthetic stand-in"
    assert not [name for name in record["figures"] if "human" in name or "without" in name]
    # Others make another record.
    assert main([*command[:3], "60", *command[4:]]) == 0
    assert len(read_records(tmp_path / "results")) == 2


def test_all_official_images_are_judged_by_people_and_without_flaws_too(
    network, test_set, tmp_path, monkeypatch
):
    votes = np.random.default_rng(0).dirichlet(np.ones(10), size=100)
    flaws = Flaws(np.array([[0, 5], [7, 9]]), np.array([[3, -1], [7, 2], [90, 1]]))
    monkeypatch.setattr(lab, "FINGERPRINTS", {"test": fingerprint(*test_set)})
    monkeypatch.setattr(lab, "load_cifar10h", lambda: votes)
    monkeypatch.setattr(lab, "load_flaws", lambda: flaws)
    record = lab.judge(str(network), test_set, results=tmp_path)
    figures, (images, labels) = record["figures"], test_set
    assert record["data"]["name"] == "cifar10" and set(figures) == set(FIGURES)
    before, after = (predicted(network, images, t) for t in (1.0, TEMPERATURE))
    value = {name: figure["value"] for name, figure in figures.items()}
    people = human_agreement(votes, after)
    people = {f"human_{name}": found for name, found in people._asdict().items()}
    people["human_agreement"] = people.pop("human_top_1")
    for suffix, probabilities in (("", before), ("_scaled", after)):
        people |= {
            f"calibration_error{suffix}": expected_calibration_error(labels, probabilities),
            f"nll{suffix}": negative_log_likelihood(labels, probabilities),
            f"brier{suffix}": brier_score(labels, probabilities),
        }
    assert {name: value[name] for name in people} == pytest.approx(people)
    for part, left_out in {
        "": [], "_without_duplicates": [0, 7], "_without_rejected": [3, 7, 90],
        "_without_both": [0, 3, 7, 90],
    }.items():  # fmt: skip
        kept = np.setdiff1d(np.arange(100), left_out)
        wilson = accuracy_interval(labels[kept], before.argmax(axis=1)[kept])
        found = figures[f"accuracy{part}"]
        assert tuple(found[key] for key in ("value", "low", "high")) == pytest.approx(wilson)
        assert found["images"] == len(kept)
    assert all(figure["low"] <= figure["high"] for figure in figures.values())


def test_corruptions_are_those_of_evaluation_and_each_counts_the_same(network, test_set, tmp_path):
    record = lab.judge(str(network), test_set, results=tmp_path)
    images, labels = test_set
    y_pred = predicted(network, corrupt(images, "gaussian_noise", 4)).argmax(axis=1)
    assert record["corrupted"]["gaussian_noise"][3] == pytest.approx(np.mean(y_pred == labels))
    table = np.array([*record["corrupted"].values()])
    assert table.shape == (5, 5)
    assert record["figures"]["corrupted_accuracy"]["value"] == pytest.approx(table.mean())


def test_the_interval_of_a_mean_is_that_of_the_central_limit_theorem(
    network, test_set, tmp_path, monkeypatch
):
    monkeypatch.setattr(lab, "RESAMPLES", 400)
    found = lab.judge(str(network), test_set, results=tmp_path)["figures"]["nll_scaled"]
    losses = -np.log(predicted(network, test_set[0], TEMPERATURE)[np.arange(100), test_set[1]])
    reach = 1.96 * losses.std() / 10
    assert found["high"] - found["low"] == pytest.approx(2 * reach, rel=0.15)
    assert (found["high"] + found["low"]) / 2 == pytest.approx(losses.mean(), abs=reach / 4)


@pytest.mark.parametrize(
    ("name", "told"),
    [("fast_cn", "Did you mean 'fast_cnn'"), ("none.json", "none.json as run --weights writes it"),
     ("other.json", "other.json as run --weights writes it")],
)  # fmt: skip
def test_a_network_that_is_not_there_is_told_before_any_data_are_loaded(
    name, told, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.json").write_text('{"kind": "train"}')
    assert main(["judge", name, "--results", str(tmp_path / "results")]) == 1
    output = capsys.readouterr()
    assert told in output.err and not output.out
