"""The bench runs its contestants in turns, each in a process of its own."""

import itertools
from dataclasses import replace

import pytest

from cifar_utils import __main__
from cifar_utils.data import load_cifar10
from cifar_utils.experiments import bench, ledger
from cifar_utils.experiments.peers import CONTESTANTS


def only(monkeypatch, label, **changes):
    """Leave one contestant in, changed, at its own place."""
    number = next(i for i, c in enumerate(CONTESTANTS) if c.label == label)
    kept = list(CONTESTANTS)
    kept[number] = replace(kept[number], group="one", **changes)
    monkeypatch.setattr(bench, "CONTESTANTS", kept)


def test_contestant_gives_a_figure_from_a_process_of_its_own(monkeypatch, capsys):
    label = "crop and flip, ours"
    only(monkeypatch, label)
    (results,) = bench.run(images=512, rounds=1, only="one")
    (figure,) = results["one"][label]
    assert figure > 100
    assert capsys.readouterr().out.count(f"{label}: ") == 1


@pytest.mark.parametrize(
    "label",
    ["ours, augmentation included", "Keras, best precision, accelerate()",
     "Keras' ImageDataGenerator"],
)  # fmt: skip
@pytest.mark.usefixtures("set_precision")  # a contestant sets it and leaves it, as in a process
def test_contestants_measure_their_speed(label):
    (contestant,) = [c for c in CONTESTANTS if c.label == label]
    assert contestant.measure(256) > 0


def test_absent_package_and_failure_are_told_and_leave_the_others_alone(monkeypatch, capsys):
    label = "load_cifar10, ours"
    only(monkeypatch, label, needs="no_such_package")
    assert list(bench.run(images=512, rounds=1, only="one")) == [{"one": {label: []}}]
    assert "left out: load_cifar10, ours" in capsys.readouterr().out
    only(monkeypatch, label, environment={"CIFAR10_DIR": "no such folder"})
    *_, last = bench.run(images=512, rounds=2, only="one")
    assert last == {"one": {label: [None, None]}}
    told = capsys.readouterr().out
    assert told.count("load_cifar10, ours: failed: ") == told.count("no such folder") == 2


def test_a_contestant_that_hangs_is_left_behind(monkeypatch, capsys):
    only(monkeypatch, "load_cifar10, ours")
    monkeypatch.setattr(bench, "LIMIT", 0.1)
    *_, last = bench.run(images=512, rounds=1, only="one")
    assert last == {"one": {"load_cifar10, ours": [None]}}
    assert "no figure after 0.1 seconds" in capsys.readouterr().out


@pytest.mark.parametrize("rounds", [1.5, 2.5])
def test_interrupted_bench_keeps_its_finished_rounds(rounds, monkeypatch, tmp_path):
    turns = itertools.count()

    def measure(number, contestant, images):
        if next(turns) > rounds * len(CONTESTANTS):
            raise KeyboardInterrupt
        return 100.0, ""

    data = load_cifar10("synthetic", val_size=0, limit=10)
    monkeypatch.setattr(__main__, "load_cifar10", lambda: data)
    monkeypatch.setattr(bench, "_in_a_process", measure)
    monkeypatch.setattr(bench.importlib.util, "find_spec", lambda name: name)
    with pytest.raises(KeyboardInterrupt):
        __main__.main(["bench", "--results", str(tmp_path)])
    (record,) = ledger.read_records(tmp_path, kind="bench")
    figures = [f for group in record["speeds"].values() for f in group.values()]
    assert figures == [[100.0] * int(rounds)] * len(CONTESTANTS)


def test_every_second_round_runs_in_reverse_order(monkeypatch):
    turns = []

    def measure(number, contestant, images):
        turns.append(number)
        return 100.0, ""

    monkeypatch.setattr(bench, "_in_a_process", measure)
    monkeypatch.setattr(bench.importlib.util, "find_spec", lambda name: name)
    list(bench.run(images=512, rounds=3))
    there = list(range(len(CONTESTANTS)))
    assert turns == there + there[::-1] + there


@pytest.mark.parametrize(("images", "rounds"), [(512, 0), (100, 1)])
def test_bench_of_too_little_is_refused(images, rounds):
    with pytest.raises(ValueError, match=f"Received: {rounds} rounds, {images} images"):
        next(bench.run(images, rounds))


def test_first_contestant_of_each_group_is_ours():
    firsts = {c.group: c.label for c in reversed(CONTESTANTS)}
    assert set(bench.group_names()) == set(firsts)
    assert all("ours" in label for label in firsts.values())
