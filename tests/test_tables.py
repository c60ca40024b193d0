"""README and figures come from the ledger, and from nothing else."""

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest

from cifar_utils.__main__ import main
from cifar_utils.experiments import charts, ledger, peers
from cifar_utils.experiments import tables as report
from cifar_utils.pretrained import HISTORIES, JUDGEMENTS, load_histories
from cifar_utils.training import RECIPES

ROOT = Path(__file__).parent.parent
PLACES = "".join(
    f"<!-- table: {name} -->\nold\n<!-- end -->\ntext\n"
    for name in ("headlines", "systems", "runs", "certainty", "judged", "seconds", "speed")
)


def make_record(recipe="valid_cnn", model="valid_cnn", seed=0, accuracy=0.7, **fields):
    return {
        "kind": "train", "recipe": recipe, "model": model, "seed": seed, "settings": {},
        "params": {"total": 297_226, "trainable": 296_394, "frozen": 832},
        "data": {"name": "cifar10", "fingerprint": "0", "train_images": 45_000},
        "epochs": 2, "val_accuracy": accuracy, "test_accuracy": accuracy, "test_nll": 0.9,
        "test_accuracy_views6": accuracy, "test_ece": 0.02, "train_seconds": 100.0,
        "images_per_second": 900.0, "operations": 25 * 10**12, "test_images": 10_000,
        "hardware": MACHINE,
        "precision": "float32", "backend": "tensorflow", "versions": {},
        "confusion_matrix": np.eye(10, dtype=int).tolist(),
        "history": {"val_accuracy": [0.5, accuracy], "seconds": [10.0, 10.0]},
    } | fields  # fmt: skip


def make_judgement(recipe="valid_cnn_tuned", accuracy=0.8, images=10_000, **fields):
    figure = {"value": accuracy, "low": accuracy - 0.01, "high": accuracy + 0.01}
    figures = {name: figure | {"images": images} for name in report.FIGURES}
    figures["accuracy_without_rejected"] = figure | {"images": images - 54}
    figures["accuracy_without_duplicates"] = figure | {"images": images - 286}
    return {
        "kind": "judge", "recipe": recipe, "network": "valid_cnn", "seed": 0,
        "record": f"train-{recipe}-seed0-0", "weights": "0", "temperature": 0.5,
        "data": {"name": "cifar10", "fingerprint": "0"}, "test_images": images,
        "figures": figures,
        "corrupted": {"contrast": [0.8, 0.7, 0.6, 0.5, 0.4], "gaussian_noise": [0.3] * 5},
        "confidence": 0.95, "resamples": 1_000, "hardware": MACHINE, "versions": {},
    } | fields  # fmt: skip


MACHINE = {
    "processor": "P", "cores": 2, "memory_gib": 8.0, "accelerator": "none",
    "vector_units": ["avx2", "avx512_bf16"],
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    tmp_path = tmp_path / "results"
    for seed, accuracy in enumerate((0.70, 0.72, 0.74)):
        ledger.write_record(make_record(seed=seed, accuracy=accuracy), tmp_path)
    ledger.write_record(make_record("valid_cnn_tuned", accuracy=0.81), tmp_path)
    return tmp_path


def row(table, *begin):
    (line,) = [line for line in table.splitlines() if line.startswith(f"| {' | '.join(begin)} |")]
    return line.strip("| ").split(" | ")


def test_tables_show_each_system_its_claim_and_our_best(folder):
    tables = report.tables(folder)
    assert row(tables["headlines"], "s3") == [
        "s3", "≈ 78 %", "72.0 ± 5.0 % (3 runs)", "81.0 % (one run)", "0.025",
    ]  # fmt: skip
    found = row(tables["systems"], "s3")
    assert found[4:] == ["2", "", "0.025", "no, 6.0 points short", "81.0 % (one run)", "0.025"]
    assert tables["headlines"].count("not yet run") == 2 * 5 + 2
    ledger.write_record(make_record("residual_cnn", "residual_cnn", accuracy=0.9), folder)
    assert row(report.tables(folder)["systems"], "s4")[7] == "yes"


def test_a_training_that_still_improved_when_it_ended_is_told(folder):
    curve = {"val_accuracy": [0.1] * 5 + [0.60] * 5 + [0.62] * 5}
    fields = {"history": curve, "epochs": 15}
    ledger.write_record(make_record("residual_cnn", "residual_cnn", **fields), folder)
    assert row(report.tables(folder)["systems"], "s4")[4:6] == ["15", "2.0"]


def test_a_glance_shows_whole_recipes_and_the_systems_table_every_length(folder):
    long = {"epochs": 150, "settings": {"epochs": 2}, "history": {"val_accuracy": [0.7] * 150}}
    ledger.write_record(make_record("dense_head_cnn_augmented", **long), folder)
    tables = report.tables(folder)
    assert row(tables["headlines"], "s2, part two")[2] == "not yet run"
    assert "70.0 % (one run) | 150 |" in tables["systems"]


def test_one_temperature_is_shown_where_all_runs_have_one(folder):
    assert "valid_cnn" not in report.tables(folder)["certainty"]
    scaled = {"temperature": 0.5, "test_ece_scaled": 0.01, "test_nll_scaled": 0.8}
    ledger.write_record(make_record("fast_cnn", **scaled), folder)
    cells = row(report.tables(folder)["certainty"], "`fast_cnn`")
    assert cells[2:] == ["0.50", "2.0%", "1.0%", "0.900", "0.800"]


def test_a_network_is_judged_by_shares_of_images_and_by_other_figures(folder):
    assert report.tables(folder)["judged"] == "not yet judged"
    ledger.write_record(make_judgement(), folder)
    ledger.write_record(make_judgement("fast_cnn", accuracy=0.9), folder)
    table = report.tables(folder)["judged"]
    assert table.startswith("|  | `fast_cnn`, seed 0 | `valid_cnn_tuned`, seed 0 |")
    assert row(table, "accuracy")[1:] == ["90.0 % (89.0 to 91.0)", "80.0 % (79.0 to 81.0)"]
    assert row(table, "NLL (nats)")[1:] == ["0.900 (0.890 to 0.910)", "0.800 (0.790 to 0.810)"]
    assert len(table.splitlines()) == 2 + len(report.FIGURES)


def test_of_judgements_the_newest_on_all_test_images_counts(folder):
    ledger.write_record(make_judgement(accuracy=0.5, date="2026-01-02"), folder)
    ledger.write_record(make_judgement(accuracy=0.6, date="2026-01-01"), folder)
    few = {"data": {"name": "other images", "fingerprint": "1"}, "images": 100}
    ledger.write_record(make_judgement(accuracy=0.7, **few), folder)
    (judged,) = report.judgements(folder).values()
    assert judged["figures"]["accuracy"]["value"] == 0.5


def test_runs_that_differ_in_more_than_the_seed_are_not_averaged(folder):
    ledger.write_record(make_record(seed=9, epochs=3, accuracy=0.9), folder)
    assert sorted(len(group.records) for group in report.groups(folder)) == [1, 1, 3]


def test_accuracy_does_not_mind_the_machine_and_seconds_do(folder):
    other = MACHINE | {"vector_units": ["avx2"]}
    ledger.write_record(make_record(seed=8, hardware=other, train_seconds=300.0), folder)
    ledger.write_record(make_record(seed=9, hardware=MACHINE | {"memory_gib": 8.1}), folder)
    assert sorted(len(group.records) for group in report.groups(folder)) == [1, 5]
    seconds = report.tables(folder)["seconds"]
    assert row(seconds, "2 cores (P, avx2), float32")[3:5] == ["1", "300"]
    assert "| 2 cores (P, avx512_bf16), float32 | `valid_cnn` | 2 | 4 | 100 (100 to 100)" in seconds


def test_a_seed_that_is_there_twice_is_reported(folder):
    ledger.write_record(make_record(seed=1, accuracy=0.9), folder)
    with pytest.raises(ledger.LedgerError, match=r"of valid_cnn. Received: 2 of seed 1"):
        report.groups(folder)


def test_the_validation_images_choose_the_best_not_the_test_images(tmp_path):
    for recipe, validated, tested in (("one", 0.8, 0.7), ("two", 0.7, 0.9)):
        record = make_record(recipe, val_accuracy=validated, test_accuracy=tested)
        ledger.write_record(record, tmp_path)
    ledger.write_record(make_record("three", val_accuracy=None, test_accuracy=0.99), tmp_path)
    assert report.best(report.groups(tmp_path)).first["recipe"] == "one"


def test_two_data_sets_are_not_compared(folder):
    data = {"name": "another", "fingerprint": "1", "train_images": 45_000}
    ledger.write_record(make_record("valid_cnn_tuned", accuracy=0.99, data=data), folder)
    found = report.tables(folder)
    assert "99.0 %" not in found["systems"] and "99.0 %" in found["runs"]
    assert len(report.on_one_data_set(report.groups(folder))) == 2


def test_runs_on_few_images_or_the_stand_in_are_no_results(tmp_path):
    data = {"name": "cifar10-q75", "fingerprint": "0", "train_images": 500}
    ledger.write_record(make_record(data=data), tmp_path)
    data = {"name": "synthetic stand-in", "fingerprint": "0", "train_images": 45_000}
    ledger.write_record(make_record(data=data), tmp_path)
    assert report.groups(tmp_path) == []


def test_results_are_rendered_into_the_page_and_figures(folder, tmp_path, monkeypatch):
    speeds = {"training": {label: [100.0, 50.0] for label in LABELS[:1]}}
    speeds["training"] |= {LABELS[1]: [50.0, 10.0], LABELS[2]: [], "gone": [1.0, 1.0]}
    about = {"data": {"name": "cifar10"}, "backend": "", "versions": {}}
    for processor in "AB":
        machine = MACHINE | {"processor": processor}
        ledger.write_record(
            {"kind": "bench", "speeds": speeds, "hardware": machine} | about, folder
        )
    monkeypatch.chdir(tmp_path)
    page, package = folder / "README.md", tmp_path / "cifar_utils" / "judgements.json"
    page.write_text(PLACES)
    ledger.write_record(make_judgement(), folder)
    package.parent.mkdir()
    package.write_text("{}")
    assert main(["results", "--results", str(folder)]) == 0
    pictures = sorted((tmp_path / "figures").iterdir())
    names = ["accuracy_against_cost", "confusion_matrix", "learning_curves", "speed"]
    names += ["staircase"]
    assert [path.stem for path in pictures] == names
    assert all(path.stat().st_size > 5_000 for path in pictures)
    once = page.read_text()
    assert "old" not in once and "text" in once
    assert json.loads(package.read_text()) == report.judgements(folder) != {}
    assert once.count(f"| training | {LABELS[1]} | 30 | 3.50 (2.00 to 5.00) |") == 2
    assert "On 2 cores (A, avx512_bf16):" in once and "gone" not in once
    assert main(["results", "--results", str(folder)]) == 0
    assert page.read_text() == once


LABELS = [c.label for c in peers.CONTESTANTS if c.group == "training"]


def test_speeds_are_compared_round_by_round():
    speeds = {
        "training": {
            "ours": [100.0, 50.0, 80.0],
            "theirs": [50.0, 10.0, 80.0],
            "absent": [],
            "unstable": [None, 25.0, None],
            "broken": [None, None, None],
        },
    }
    rows = report.speed_table(speeds).splitlines()[2:]
    ours, theirs, absent, unstable, broken = rows
    assert ours == "| training | ours | 80 |  |"
    assert absent == "| training | absent | can't run on this machine |  |"
    assert broken == "| training | broken | failed |  |"
    assert theirs == "| training | theirs | 50 | 2.00 (1.00 to 5.00) |"
    assert unstable == "| training | unstable | 25 | 2.00 (2.00 to 2.00) |"


def test_every_point_of_a_chart_is_named_and_no_name_covers_another(folder):
    for number, epochs in enumerate((3, 4, 5, 6)):
        record = make_record("valid_cnn_tuned", epochs=epochs, accuracy=0.81 + number / 1e4)
        ledger.write_record(record, folder)
    ax = charts.plot_cost(report.groups(folder))
    ax.figure.draw_without_rendering()
    texts = [text for text in ax.texts if text.get_text()]
    assert {text.get_text() for text in texts} >= {"s3", "ours for s3, 4 epochs"}
    boxes = [text.get_window_extent() for text in texts]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_curves_of_a_network_stand_together(folder):
    figure = charts.plot_curves(report.groups(folder))
    (ax,) = [ax for ax in figure.axes if ax.get_title() == "valid_cnn"]
    assert [text.get_text() for text in ax.get_legend().texts] == ["s3", "ours"]
    assert len(ax.lines) == 2


def test_results_are_rendered_only_where_their_page_is(folder, tmp_path, capsys):
    (tmp_path / "README.md").touch()
    assert main(["results", "--results", str(folder)]) == 1
    assert "Expected README.md in the folder of the ledger" in capsys.readouterr().err
    assert main(["results", "--results", str(tmp_path / "none")]) == 1
    assert "Expected records in" in capsys.readouterr().err


def test_text_without_a_place_for_the_tables_is_refused():
    with pytest.raises(ValueError, match="Expected a place marked '<!-- table: systems -->'"):
        report.render_tables("text", {"systems": ""})


def test_the_page_says_what_the_ledger_says():
    text = (ROOT / "results" / "README.md").read_text(encoding="utf-8")
    assert report.render_tables(text, report.tables()) == text, "run `make results`"


def test_histories_in_the_package_are_those_of_the_ledger():
    assert json.loads(HISTORIES.read_text()) == report.histories(), "run `make results`"
    for recipe, runs in report.histories().items():
        records = ledger.read_records(kind="train", recipe=recipe)
        assert len(runs) <= len(records)
        assert all(len(run["val_loss"]) == RECIPES[recipe].epochs for run in load_histories(recipe))
    with pytest.raises(ValueError, match="Expected a recipe with runs"):
        load_histories("resnet2000")


def test_judgements_in_the_package_are_those_of_the_ledger():
    assert json.loads(JUDGEMENTS.read_text()) == report.judgements(), "run `make results`"
    for record in report.judgements():
        assert (ROOT / "results" / f"{record}.json").exists()


def test_every_record_is_of_a_recipe_as_it_is_now_and_of_the_original_images():
    for record in ledger.read_records(kind="train"):
        assert record["settings"] == RECIPES[record["recipe"]].settings(), record["recipe"]
        assert record["data"]["name"] == "cifar10"


def test_a_changed_digit_or_a_missing_record_is_noticed(folder):
    ledger.write_record(make_judgement(), folder)
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


def test_the_staircase_names_each_step_and_none_covers_another(folder):
    ledger.write_record(make_record("fast_cnn", accuracy=0.9, operations=8 * 10**13), folder)
    ax = charts.plot_staircase(report.groups(folder))
    ax.figure.draw_without_rendering()
    texts = [text for text in ax.texts if text.get_text()]
    assert {text.get_text() for text in texts} >= {"fast CNN (05)"}
    boxes = [text.get_window_extent() for text in texts]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
