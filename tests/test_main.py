"""The command line trains, records, and does nothing twice."""

import json
import os
import subprocess
import sys

import pytest
from PIL import Image

from cifar_utils.__main__ import main
from cifar_utils.data import load_cifar10_test
from cifar_utils.evaluation import predict_probabilities
from cifar_utils.experiments.ledger import read_records
from cifar_utils.pretrained import Trained, read_network


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("CIFAR_UTILS_SOURCE", "synthetic")
    folders = ["--results", str(tmp_path / "results"), "--state", str(tmp_path / "state")]
    few = ["--limit", "200", "--epochs", "1", "--verbose", "0"]
    return lambda *arguments: main(["run", *few, *folders, *arguments])


def test_run_writes_one_record_a_seed_and_none_twice(run, tmp_path, capsys):
    assert run("valid_cnn", "--seeds", "2") == 0
    records = read_records(tmp_path / "results")
    assert [(r["recipe"], r["seed"], r["epochs"]) for r in records] == [
        ("valid_cnn", 0, 1),
        ("valid_cnn", 1, 1),
    ]
    for record in records:
        assert record["data"]["name"] == "synthetic stand-in"
        assert record["data"]["train_images"] == 200 and record["test_images"] == 200
        assert record["params"] == {"total": 297_226, "trainable": 296_394, "frozen": 832}
        assert (
            0 <= record["test_accuracy"] <= 1 and sum(map(sum, record["confusion_matrix"])) == 200
        )
        assert 0 < record["val_accuracy"] <= 1
    assert not list((tmp_path / "state").iterdir())  # no lock either
    capsys.readouterr()
    assert run("valid_cnn", "--seeds", "2") == 0
    assert capsys.readouterr().out.count("in the ledger already") == 2
    assert read_records(tmp_path / "results") == records


def test_run_on_all_images_keeps_none_to_validate(run, tmp_path):
    assert run("valid_cnn", "--all-images") == 0
    assert read_records(tmp_path / "results")[0]["val_accuracy"] is None


def test_a_trained_network_can_be_kept_and_is_the_one_of_the_record(run, tmp_path):
    assert run("valid_cnn", "--weights", str(tmp_path / "kept")) == 0
    (record,) = read_records(tmp_path / "results")
    (file,) = (tmp_path / "kept").glob("*.json")
    about = Trained(**json.loads(file.read_text()))
    assert (tmp_path / "results" / f"{about.record}.json").exists()
    assert (about.recipe, about.temperature) == ("valid_cnn", record["temperature"])
    assert about.threshold == 0  # after one epoch no answer is so sure
    x_test, y_test = load_cifar10_test(limit=200)
    model = read_network(about, file.with_suffix(".npz"))
    y_pred = predict_probabilities(model, x_test).argmax(axis=1)
    # But for images that half precision decides.
    assert abs((y_pred == y_test).mean() - record["test_accuracy"]) < 0.02


def test_unknown_recipe_is_answered_with_the_near_ones(run, capsys):
    assert run("valid_cn") == 1
    assert "Did you mean 'valid_cnn'" in capsys.readouterr().err


@pytest.mark.parametrize(("option", "value"), [("--limit", "15"), ("--seeds", "0")])
def test_counts_that_make_no_sense_are_refused_by_their_option(option, value, capsys):
    assert main(["run", "valid_cnn", option, value]) == 1
    assert f"Expected {option}" in (error := capsys.readouterr().err) and value in error


def test_broken_ledger_is_reported_by_name(run, tmp_path, capsys):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "train-x.json").write_text("{")
    assert run("valid_cnn") == 1
    assert "Expected train-x.json to be a record" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--results", "--state"])
def test_a_folder_that_cannot_be_written_to_is_told_before_any_training(
    option, run, tmp_path, capsys
):
    (tmp_path / "file").touch()
    capsys.readouterr()
    assert run("valid_cnn", "--verbose", "2", option, str(tmp_path / "file")) == 1
    told = capsys.readouterr()
    assert "as a folder that can be written to. Received: " in told.err and "Epoch" not in told.out


RUN = ["run", "valid_cnn", "--precision", "float31", "--limit", "100", "--state", "."]


@pytest.mark.parametrize(
    ("command", "told"),
    [(RUN, "Expected precision as a Keras dtype policy. Received: 'float31'."),
     (["results"], "Expected records in .. Received: none.")],
    ids=["run", "results"],
)  # fmt: skip
def test_commands_say_nothing_of_tensorflows_greetings(command, told, tmp_path):
    environment = {k: v for k, v in os.environ.items() if k[:3] not in ("TF_", "CUD")}
    environment["CIFAR_UTILS_SOURCE"] = "synthetic"
    whole = [sys.executable, "-m", "cifar_utils", *command, "--results", "."]
    options = {"env": environment, "cwd": tmp_path, "capture_output": True, "text": True}
    assert subprocess.run(whole, **options).stderr == f"{told}\n"


def test_predict_tells_good_photographs_and_names_bad_ones(tmp_path, capsys):
    for folder, colour in (("one", "blue"), ("two", "green")):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (80, 60), colour).save(tmp_path / folder / "my cat.png")
    (tmp_path / "text.jpg").write_text("no picture")
    photos = [tmp_path / "one" / "my cat.png", tmp_path / "text.jpg", tmp_path / "two/my cat.png"]
    command = ["predict", *map(str, photos), "--network", "valid_cnn", "--output"]
    assert main([*command, str(tmp_path / "out")]) == 1
    told = capsys.readouterr()
    assert f"Expected {photos[1]} as a photograph" in told.err and told.err.count("\n") == 1
    assert [line.partition(": ")[0] for line in told.out.splitlines()] == [
        str(photos[0]),
        str(photos[2]),
    ]
    for line, name in zip(told.out.splitlines(), ("my cat", "my cat-2"), strict=True):
        assert line.endswith(f" -> {tmp_path / 'out' / name}-answer.png") and "%" in line
        Image.open(tmp_path / "out" / f"{name}-answer.png").verify()
    assert main([*command, str(photos[1])]) == 1
    assert "--output as a folder that can be written to" in capsys.readouterr().err


def test_predict_loses_no_answer_to_another_name_or_a_file_in_the_way(tmp_path, capsys):
    names = ["a.png", "a-2.png", "A.bmp", "way.png", "caf\udce9.png", "b $x_$.png"]
    if sys.platform != "linux":  # elsewhere, names of files are text
        names.remove("caf\udce9.png")
    (tmp_path / "out" / "way-answer.png").mkdir(parents=True)
    for name in names:
        Image.new("RGB", (20, 20)).save(tmp_path / name)
    photos = [str(tmp_path / name) for name in (*names, "a.png")]
    output = str(tmp_path / "out")
    assert main(["predict", *photos, "--network", "valid_cnn", "--output", output]) == 1
    told = capsys.readouterr()
    assert told.err.count("\n") == 1 and "way-answer.png as a file that can be written" in told.err
    assert told.out.count("\n") == len(photos) - 1
    assert len([path for path in (tmp_path / "out").iterdir() if path.is_file()]) == len(photos) - 1


def test_predict_wants_a_photograph(capsys):
    with pytest.raises(SystemExit):
        main(["predict"])
    assert "PHOTO" in capsys.readouterr().err


def test_predict_knows_its_networks_before_it_reads_anything(capsys):
    assert main(["predict", "missing.jpg", "--network", "fast_cn"]) == 1
    assert "Did you mean 'fast_cnn'" in capsys.readouterr().err


def test_without_a_command_all_of_them_are_listed(capsys):
    assert main([]) == 2
    told = capsys.readouterr().err
    assert all(f"\n    {name} " in told for name in ("data", "predict", "demo", "run", "judge"))
