"""The plan of records is worked off once, cheapest run first, and says what is left."""

import contextlib
from pathlib import Path

import pytest

from cifar_utils.__main__ import main
from cifar_utils.experiments import plan
from cifar_utils.experiments import run as experiment
from cifar_utils.experiments.ledger import machine_key, read_records
from cifar_utils.fast.machine import usable_hardware

PLAN = """
[[runs]]
recipe = "plain_cnn"
epochs = 2

[[runs]]
recipe = "valid_cnn"
epochs = 1
seeds = 2

[[runs]]
recipe = "valid_cnn"
epochs = 2
all_images = true
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("CIFAR_UTILS_SOURCE", "synthetic")
    (tmp_path / "plan.toml").write_text(PLAN)
    folders = ["--results", str(tmp_path), "--state", str(tmp_path / "state")]
    options = ["run", "--missing", "--limit", "100", "--verbose", "0", *folders]
    return lambda *arguments: main([*options, *arguments])


@pytest.fixture
def trained(monkeypatch):
    """The runs that were trained, and the test accuracy that each then has."""
    runs = []

    def measure(wanted, data, test, precision, **options):
        runs.append((wanted["recipe"], wanted["epochs"], wanted["seed"], len(data.x_train)))
        record = wanted | {
            "model": "", "params": {}, "val_accuracy": 0.5, "test_accuracy": 0.5, "test_nll": 1.0,
            "test_accuracy_views6": 0.5,
            "test_ece": 0.1, "confusion_matrix": [], "operations": 10**6, "train_seconds": 3600.0,
            "images_per_second": 1.0, "history": {}, "hardware": usable_hardware(),
            "precision": precision, "backend": "tensorflow", "versions": {},
        }  # fmt: skip
        return record, None

    monkeypatch.setattr(experiment, "measure", measure)
    return runs


def test_what_is_missing_is_run_cheapest_first_and_nothing_twice(run, trained, tmp_path, capsys):
    assert run() == 0
    whole = [("valid_cnn", 1, 0, 100), ("valid_cnn", 1, 1, 100), ("valid_cnn", 2, 0, 100)]
    assert trained == [*whole, ("plain_cnn", 2, 0, 100)]
    told = capsys.readouterr().out
    assert "4 of 4 runs are missing" in told and "3 of 4" in told and "2 of 4" in told
    assert told.endswith("Nothing is missing: the ledger holds all 4 runs of the plan.\n")
    assert len(read_records(tmp_path)) == 4
    assert run() == 0 and len(trained) == 4
    next(tmp_path.glob("train-plain_cnn-*.json")).unlink()
    assert run() == 0 and trained[4:] == [("plain_cnn", 2, 0, 100)]


def test_what_another_process_runs_is_left_to_it(run, trained, monkeypatch):
    busy = {("valid_cnn", 1, 1)}
    locked = experiment._locked

    @contextlib.contextmanager
    def elsewhere(file, wait):
        name, epochs, *_, seed, _ = file.stem.split("-")
        if (name, int(epochs), int(seed.removeprefix("seed"))) in busy and not wait:
            yield False
            return
        with locked(file, wait) as ours:
            yield ours

    monkeypatch.setattr(experiment, "_locked", elsewhere)
    assert run() == 0
    order = [(name, epochs, seed) for name, epochs, seed, _ in trained]
    assert order == [("valid_cnn", 1, 0), ("valid_cnn", 2, 0), ("plain_cnn", 2, 0), *busy]


def test_a_run_that_would_last_too_long_is_not_begun(run, trained, capsys):
    assert run("--minutes", "5") == 0
    assert len(trained) == 1  # which was slow; how slow, the second knows
    assert "None of them ends within 5 minutes." in capsys.readouterr().out


def test_time_left_is_told_at_the_pace_of_this_machine_and_recipe():
    here = usable_hardware()
    record = {"recipe": "a", "operations": 4e15, "train_seconds": 1000.0, "hardware": here}
    slow = record | {"recipe": "b", "operations": 1e15}
    other = record | {"operations": 4e18, "hardware": here | {"cores": 1000}}
    unknown = record | {"operations": None}
    a, b, c = (plan.Planned(8 * 10**15, recipe, 1, 0, False) for recipe in "abc")
    left = plan.seconds_left
    records, key = [record, slow, other, unknown], machine_key(here)
    assert left([a], records, key) == 2000.0
    assert left([a, b], records, key) == 10_000.0
    assert left([c], records, key) == pytest.approx(3200.0)  # at the median pace
    assert left([a], [other], key) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [('[[runs]]\nrecipe = "valid_cn"', "Did you mean 'valid_cnn'"),
     ('[[runs]]\nrecipe = "valid_cnn"\nseed = 1', "runs with recipe, and perhaps seeds"),
     ("[[runs]]\nseeds = 1", "runs with recipe"),
     ('[[runs]]\nrecipe = "valid_cnn"\nseeds = 0', "Expected seeds"),
     ('[[runs]]\nrecipe = "valid_cnn"\nepochs = 0', "Expected epochs"),
     ('[[runs]]\nrecipe = "valid_cnn"\nall_images = 1', "all_images of true or false"),
     ('[[runs]]\nrecipe = "valid_cnn"\n' * 2, "each run once in the plan"),
     ("runs = 3", "tables [[runs]]"), ('[runs]\nrecipe = "valid_cnn"', "tables [[runs]]"),
     ("[[runs]", "as a plan of records")],
)  # fmt: skip
def test_a_plan_that_cannot_be_meant_is_refused(text, told, run, trained, tmp_path, capsys):
    (tmp_path / "plan.toml").write_text(text)
    assert run() == 1
    assert told in capsys.readouterr().err and not trained


def test_a_recipe_or_the_plan_is_asked_for(run, trained, tmp_path, capsys):
    assert main(["run"]) == 1
    assert run("valid_cnn") == 1
    assert capsys.readouterr().err.count("Expected either a recipe or --missing") == 2
    assert run("--plan", str(tmp_path / "none.toml")) == 1
    assert "none.toml as a plan of records" in capsys.readouterr().err


def test_every_record_of_this_ledger_is_planned_and_once():
    """So that "nothing missing" means that the ledger is what the plan says, and no more."""
    folder = Path(__file__).parents[1] / "results"
    runs = {
        (run.recipe, run.epochs, run.seed, 50_000 if run.all_images else 45_000)
        for run in plan.read_plan(folder / plan.FILE)
    }
    held = [
        (record["recipe"], record["epochs"], record["seed"], record["data"]["train_images"])
        for record in read_records(folder, kind="train")
    ]
    assert len(set(held)) == len(held) and set(held) <= runs
