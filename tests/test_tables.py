"""README and figures come from the ledger, and from nothing else."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cifar_utils.__main__ import main
from cifar_utils.experiments import charts, ledger
from cifar_utils.experiments import tables as report
from cifar_utils.training import RECIPES

ROOT = Path(__file__).parent.parent
PLACES = "<!-- table: systems -->\n<!-- end -->\ntext\n<!-- table: runs -->\nold\n<!-- end -->\n"
PLACES += "<!-- table: speed -->\n<!-- end -->\n<!-- table: time -->\n<!-- end -->\n"


def make_record(recipe="valid_cnn", model="valid_cnn", seed=0, accuracy=0.7, **fields):
    return {
        "kind": "train", "recipe": recipe, "model": model, "seed": seed, "settings": {},
        "params": {"total": 297_226, "trainable": 296_394, "frozen": 832},
        "data": {"name": "cifar10-q75", "fingerprint": "0", "train_images": 45_000},
        "epochs": 2, "val_accuracy": accuracy, "test_accuracy": accuracy, "test_nll": 0.9,
        "test_ece": 0.02, "train_seconds": 100.0, "images_per_second": 900.0,
        "hardware": {"processor": "P", "cores": 2, "memory_gib": 8.0, "accelerator": "none"},
        "precision": "float32", "backend": "tensorflow", "versions": {},
        "confusion_matrix": np.eye(10, dtype=int).tolist(),
        "history": {"val_accuracy": [0.5, accuracy], "seconds": [10.0, 10.0]},
    } | fields  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    tmp_path = tmp_path / "results"
    for seed, accuracy in enumerate((0.70, 0.72, 0.74)):
        ledger.write_record(make_record(seed=seed, accuracy=accuracy), tmp_path)
    ledger.write_record(make_record("valid_cnn_tuned", accuracy=0.81), tmp_path)
    return tmp_path


def test_tables_show_mean_and_interval_of_their_recipe_and_of_our_best(folder):
    text = report.render_tables(PLACES, report.tables(folder))
    (row,) = [line for line in text.splitlines() if line.startswith("| s3 ")]
    assert "≈ 78 %, 10 epochs" in row and "72.0 ± 5.0 % (3 runs)" in row
    assert "81.0 % (one run)" in row and "297,226" in row
    (row,) = [line for line in text.splitlines() if line.startswith("| s4 ")]
    assert row.count("not yet run") == 2
    assert "\ntext\n" in text and "old" not in text


def test_runs_that_differ_in_more_than_the_seed_are_not_averaged(folder):
    ledger.write_record(make_record(seed=9, epochs=3, accuracy=0.9), folder)
    ledger.write_record(make_record(seed=9, precision="mixed_bfloat16"), folder)
    assert sorted(len(group.records) for group in report.groups(folder)) == [1, 1, 1, 3]


def test_a_seed_that_is_there_twice_is_reported(folder):
    ledger.write_record(make_record(seed=1, accuracy=0.9), folder)
    with pytest.raises(ledger.LedgerError, match=r"of valid_cnn. Received: 2 of seed 1"):
        report.groups(folder)


def test_the_order_in_which_a_record_was_written_makes_no_difference(folder):
    record = make_record(seed=9)
    record["hardware"] = dict(reversed(record["hardware"].items()))
    ledger.write_record(record, folder)
    assert sorted(len(group.records) for group in report.groups(folder)) == [1, 4]


def test_the_validation_images_choose_the_best_not_the_test_images(tmp_path):
    for recipe, validated, tested in (("one", 0.8, 0.7), ("two", 0.7, 0.9)):
        record = make_record(recipe, val_accuracy=validated, test_accuracy=tested)
        ledger.write_record(record, tmp_path)
    ledger.write_record(make_record("three", val_accuracy=None, test_accuracy=0.99), tmp_path)
    assert report.best(report.groups(tmp_path)).first["recipe"] == "one"


def test_two_data_sets_are_not_compared(folder):
    data = {"name": "cifar10", "fingerprint": "1", "train_images": 45_000}
    ledger.write_record(make_record("valid_cnn_tuned", accuracy=0.99, data=data), folder)
    found = report.tables(folder)
    assert "99.0 %" not in found["systems"] and "99.0 %" in found["runs"]
    assert len(report.on_one_data_set(report.groups(folder))) == 2


def test_seconds_come_with_their_range(folder):
    ledger.write_record(make_record("resnet20", seed=0, train_seconds=1000.0), folder)
    ledger.write_record(make_record("resnet20", seed=1, train_seconds=2000.0), folder)
    assert "| 1,500 (1,000 to 2,000) |" in report.tables(folder)["runs"]


def test_seconds_of_two_machines_in_one_row_name_them(folder):
    def row():
        lines = report.tables(folder)["systems"].splitlines()
        return next(line for line in lines if line.startswith("| s0 "))

    ledger.write_record(make_record("plain_cnn", "plain_cnn"), folder)
    assert "| 100 |" in row()
    tuned = make_record("plain_cnn_tuned", "plain_cnn", precision="mixed_bfloat16")
    ledger.write_record(tuned, folder)
    assert "| 100 on 2 cores (P), float32 |" in row()
    assert "| 100 on 2 cores (P), mixed_bfloat16 |" in row()


def test_runs_on_few_images_or_the_stand_in_are_no_results(tmp_path):
    data = {"name": "cifar10-q75", "fingerprint": "0", "train_images": 500}
    ledger.write_record(make_record(data=data), tmp_path)
    data = {"name": "synthetic stand-in", "fingerprint": "0", "train_images": 45_000}
    ledger.write_record(make_record(data=data), tmp_path)
    assert report.groups(tmp_path) == []


def test_results_are_rendered_into_readme_and_figures(folder, tmp_path, monkeypatch):
    speeds = {"training": {"ours": [100.0, 50.0], "theirs": [50.0, 10.0], "absent": []}}
    about = {"data": {"name": "cifar10-q75"}, "backend": "", "versions": {}}
    for processor in "AB":
        machine = {"processor": processor, "cores": 2, "memory_gib": 8.0, "accelerator": "none"}
        record = {"kind": "bench", "speeds": speeds, "hardware": machine} | about
        ledger.write_record(record, folder)
    monkeypatch.chdir(tmp_path)
    readme = tmp_path / "README.md"
    readme.write_text(PLACES)
    assert main(["results", "--results", str(folder)]) == 0
    pictures = sorted((tmp_path / "figures").iterdir())
    names = ["accuracy_against_cost", "confusion_matrix", "learning_curves", "speed"]
    assert [path.stem for path in pictures] == names
    assert all(path.stat().st_size > 5_000 for path in pictures)
    once = readme.read_text()
    assert once.count("| theirs | 30 images/s | 3.50 (2.00 to 5.00) |") == 2
    assert "On 2 cores (A):" in once and "On 2 cores (B):" in once
    assert main(["results", "--results", str(folder)]) == 0 and readme.read_text() == once


def test_speeds_are_compared_round_by_round():
    speeds = {
        "training": {
            "ours": [100.0, 50.0, 80.0],
            "theirs": [50.0, 10.0, 80.0],
            "absent": [],
            "unstable": [None, 25.0, None],
            "broken": [None, None, None],
        },
        "recipes": {"short": [100.0, 200.0], "long": [400.0, 400.0]},
    }
    rows = report.speed_table(speeds).splitlines()[2:]
    ours, theirs, absent, unstable, broken, short, long = rows
    assert ours == "| ours | 80 images/s |  |"
    assert absent == "| absent | can't run on this machine |  |"
    assert broken == "| broken | failed |  |"
    assert theirs == "| theirs | 50 images/s | 2.00 (1.00 to 5.00) |"
    assert unstable == "| unstable | 25 images/s | 2.00 (2.00 to 2.00) |"
    assert short == "| short | 150 s |  |" and long == "| long | 400 s | 3.00 (2.00 to 4.00) |"


@pytest.mark.parametrize("sides", [(), ((0.44, 16),), ((0.5, 16), (0.9, 24)), ((1.0, 16),)])
def test_reduced_images_of_a_record_are_those_of_its_recipe(sides):
    for epochs in (1, 3, 8, 23):
        recipe = replace(RECIPES["fast_cnn"], epochs=epochs, sides=sides)
        record = make_record(epochs=epochs, settings=recipe.settings())
        expected = [(end, side) for _, end, side in recipe.phases() if side < 32]
        assert report.small_until(record) == expected


def test_figures_tell_runs_of_one_recipe_apart(folder):
    ledger.write_record(make_record("valid_cnn_tuned", epochs=3, seed=1), folder)
    ledger.write_record(make_record("valid_cnn_tuned", precision="mixed_bfloat16"), folder)
    names = charts._names(report.groups(folder))
    assert len(set(names)) == 4
    assert "valid_cnn\non 2 cores (P), float32" in names
    assert any("3 epochs" in name for name in names)


def test_no_two_curves_look_alike(tmp_path):
    for number in range(14):
        ledger.write_record(make_record(f"recipe{number}"), tmp_path)
    ax = charts.plot_curves(report.groups(tmp_path))
    looks = {(line.get_color(), line.get_linestyle()) for line in ax.lines}
    assert len(ax.lines) == len(looks) == 14
    shortened = make_record("recipe1", epochs=2, settings={"epochs": 3})
    ledger.write_record(shortened, tmp_path)
    assert len(charts.plot_curves(report.groups(tmp_path)).lines) == 14


def test_results_are_rendered_only_where_a_readme_lies_beside_them(folder, tmp_path, capsys):
    assert main(["results", "--results", str(folder)]) == 1
    assert "Expected README.md beside the folder of the ledger" in capsys.readouterr().err
    assert main(["results", "--results", str(tmp_path / "none")]) == 1
    assert "Expected records in" in capsys.readouterr().err


def test_text_without_a_place_for_the_tables_is_refused():
    with pytest.raises(ValueError, match="Expected a place marked '<!-- table: systems -->'"):
        report.render_tables("text", {"systems": ""})


def test_readme_says_what_the_ledger_says():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert report.render_tables(text, report.tables()) == text, "run `make results`"


def test_every_record_is_of_a_recipe_as_it_is_now():
    for record in ledger.read_records(kind="train"):
        settings = RECIPES[record["recipe"]].settings()
        if record["data"]["name"] == "cifar10-q75":  # then the rate was the network's, not said
            settings.pop("offset_rate", None)
        assert record["settings"] == settings, record["recipe"]


def test_a_changed_digit_or_a_missing_record_is_noticed(folder):
    tables = report.tables(folder)
    text = report.render_tables(PLACES, tables)
    for match in re.finditer(r"\d", text):
        digit = str((int(match[0]) + 1) % 10)
        changed = text[: match.start()] + digit + text[match.end() :]
        assert report.render_tables(changed, tables) == text
    for path in folder.glob("*.json"):
        kept = path.read_bytes()
        path.unlink()
        assert report.render_tables(text, report.tables(folder)) != text
        path.write_bytes(kept)
