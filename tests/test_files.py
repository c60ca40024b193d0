"""The official files, and files that are damaged or foreign, in a named folder."""

import importlib.util
import os
import pickle
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from damage import damage
from hypothesis import HealthCheck, given, settings

from cifar_utils.data import find_cifar10
from cifar_utils.dataset import files
from cifar_utils.dataset.files import DatasetError, read_split

WANTED = "Expected a CIFAR-10 batch file: 100 rows of 3,072 uint8 pixels, labels from 0 to 9"


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def batch_of(small, k=2, **changes):
    rows = slice(k * 100, (k + 1) * 100)
    planes = small.x[rows].transpose(0, 3, 1, 2).reshape(100, 3072)
    return {"data": planes, "labels": small.y[rows].tolist()} | changes


def one_message(error):
    """Whether Python shows this error alone, without "During handling of … another"."""
    chained = error.__context__ is not None and not error.__suppress_context__
    return error.__cause__ is None and not chained


def refusal(small, split="train"):
    """The message of the error that reading gives; the folder must stay as it was."""
    before = contents(small.folder)
    with pytest.raises(DatasetError) as caught:
        read_split(split, small.folder)
    assert contents(small.folder) == before
    assert one_message(caught.value)
    return str(caught.value)


# ---------------------------------------------------------------- damaged files


@pytest.mark.parametrize("share", [0, 0.001, 0.1, 0.5, 0.999, -1])
def test_truncated_file_is_refused_by_name(small, share):
    path = small.folder / "data_batch_3"
    whole = path.read_bytes()
    path.write_bytes(whole[: -1 if share == -1 else round(share * len(whole))])
    message = refusal(small)
    assert str(path) in message
    assert WANTED in message


@pytest.mark.parametrize(
    "content",
    [
        b"<html>404 Not Found</html>",
        b"version https://git-lfs.github.com/spec/v1\n",
        pickle.dumps([1, 2, 3]),
        pickle.dumps(None),
        pickle.dumps({"labels": [0] * 100}),
        pickle.dumps({"data": np.zeros((100, 3072), np.uint8)}),
        pickle.dumps({"data": np.zeros((100, 3072), np.uint8), "labels": [[0], [0, 1]] * 50}),
    ],
    ids=["web page", "LFS pointer", "list", "None", "no labels", "no data", "ragged labels"],
)
def test_file_that_is_no_batch_is_refused_by_name(small, content):
    path = small.folder / "data_batch_3"
    path.write_bytes(content)
    message = refusal(small)
    assert str(path) in message
    assert WANTED in message


@pytest.mark.parametrize(
    ("changes", "received"),
    [
        pytest.param({"data": np.zeros((100, 3072), np.float32)}, "f4", id="float pixels"),
        pytest.param({"data": np.zeros((100, 3072), np.int8)}, "int8", id="signed pixels"),
        pytest.param({"data": [[0] * 3072] * 100}, "a list of other", id="list of pixels"),
        pytest.param(
            {"data": np.zeros((99, 3072), np.uint8), "labels": [0] * 99}, "(99, 3072)", id="99 rows"
        ),
        pytest.param({"data": np.zeros((100, 3071), np.uint8)}, "(100, 3071)", id="3071 pixels"),
        pytest.param(
            {"data": np.zeros((100, 32, 32, 3), np.uint8)}, "(100, 32, 32, 3)", id="4-d pixels"
        ),
        pytest.param({"labels": [0] * 99}, "(99,)", id="99 labels"),
        pytest.param({"labels": []}, "a list of other", id="empty labels"),
        pytest.param({"labels": np.zeros((100, 1), int)}, "(100, 1)", id="column of labels"),
        pytest.param({"labels": [0] * 99 + [10]}, "labels", id="label 10"),
        pytest.param({"labels": [0] * 99 + [-1]}, "labels", id="label -1"),
        pytest.param({"labels": [0.0] * 100}, "a list of other", id="float labels"),
        pytest.param({"labels": ["cat"] * 100}, "a list of other", id="text labels"),
        pytest.param({"labels": [True] * 100}, "a list of other", id="bool labels"),
        pytest.param({"labels": np.zeros(100)}, "f8", id="array of float labels"),
        pytest.param({"labels": [10**30] * 100}, "labels", id="huge labels"),
        pytest.param({"labels": None}, "NoneType", id="labels None"),
    ],
)
def test_wrong_pixels_or_labels_are_refused_by_name(small, changes, received):
    path = small.folder / "data_batch_3"
    path.write_bytes(pickle.dumps(batch_of(small, **changes)))
    message = refusal(small)
    assert str(path) in message
    assert WANTED in message
    assert received in message.partition("Received: ")[2].removeprefix(str(path))


def test_damaged_test_batch_is_refused_when_it_is_opened_and_not_before(small):
    (small.folder / "test_batch").write_bytes(b"")
    assert len(read_split("train", small.folder)[0]) == 500
    assert "test_batch" in refusal(small, "test")


def test_labels_that_hold_themselves_are_refused_at_once(small):
    labels = []
    labels += [labels] * 100  # which NumPy would unfold without end
    (small.folder / "data_batch_3").write_bytes(pickle.dumps(batch_of(small, labels=labels)))
    assert "a list of other things than whole numbers" in refusal(small)


class Call:
    """Pickles as a call: what an attacker would put into a file."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize(
    ("function", "argument"),
    [
        (os.system, "touch {}"),
        (eval, "open({!r}, 'w').close()"),
        (exec, "open({!r}, 'w').close()"),
        (open, "{}"),
        (np.save, "{}"),
    ],
    ids=["os.system", "eval", "exec", "open", "numpy.save"],
)
def test_pickle_that_would_run_something_is_refused(small, tmp_path, protocol, function, argument):
    target = tmp_path / "pwned.npy"
    extra = {open: ["w"], np.save: [1]}.get(function, [])
    trap = Call(function, argument.format(str(target)), *extra)
    path = small.folder / "data_batch_3"
    path.write_bytes(pickle.dumps(batch_of(small, trap=trap), protocol))
    pickle.loads(path.read_bytes())  # the trap works on the unwary
    assert target.exists()
    target.unlink()

    message = refusal(small)
    assert not target.exists()
    assert str(path) in message
    assert "it asks to import" in message


# ---------------------------------------------------------------- sound files


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("key", [str, str.encode], ids=["str keys", "bytes keys"])
def test_files_pickled_anew_by_python_3_are_read(small, protocol, key):
    for k in range(5):
        batch = {key(name): value for name, value in batch_of(small, k).items()}
        (small.folder / f"data_batch_{k + 1}").write_bytes(pickle.dumps(batch, protocol))
    images, labels, *_ = read_split("train", small.folder)
    np.testing.assert_array_equal(images, small.x)
    np.testing.assert_array_equal(labels, small.y)


@pytest.mark.parametrize("layout", [np.asfortranarray, lambda a: np.repeat(a, 2, axis=0)[::2]])
def test_pixels_and_labels_may_be_arrays_of_any_memory_layout(small, layout):
    batch = batch_of(small)
    changed = {"data": layout(batch["data"]), "labels": np.array(batch["labels"], np.uint8)}
    (small.folder / "data_batch_3").write_bytes(pickle.dumps(changed))
    images, labels, *_ = read_split("train", small.folder)
    np.testing.assert_array_equal(images, small.x)
    np.testing.assert_array_equal(labels, small.y)


def test_official_release_is_known_by_its_pixels_and_needs_no_notice(small, monkeypatch, capsys):
    sound = {
        "train": files.fingerprint(small.x, small.y),
        "test": files.fingerprint(small.x_test, small.y_test),
    }
    monkeypatch.setattr(files, "FINGERPRINTS", sound)
    batch = pickle.dumps(batch_of(small, 4))  # pickled otherwise, with the same pixels
    (small.folder / "data_batch_5").write_bytes(batch)
    assert read_split("train", small.folder)[2:] == ("cifar10", sound["train"])
    assert read_split("test", small.folder)[2:] == ("cifar10", sound["test"])
    assert capsys.readouterr().out == ""

    small.x[-1, 31, 31, 2] ^= 1
    (small.folder / "data_batch_5").write_bytes(pickle.dumps(batch_of(small, 4)))
    assert read_split("train", small.folder)[2] == "unofficial copy"
    assert read_split("test", small.folder)[2] == "cifar10"


def test_copy_that_is_known_is_called_by_its_name(small, monkeypatch, capsys):
    found = files.fingerprint(small.x, small.y)
    monkeypatch.setattr(files, "COPIES", {found: "cifar10-q75"})
    assert read_split("train", small.folder)[2:] == ("cifar10-q75", found)
    notice = capsys.readouterr().out
    assert "not the official release" in notice
    assert "cifar10-q75" in notice
    assert str(small.folder) not in notice  # executed notebooks are published


def test_fingerprints_are_those_of_the_images_at_hand(real_folder):
    for split, known in files.FINGERPRINTS.items():
        *_, name, found = read_split(split, find_cifar10(real_folder))
        assert (name, found == known) in [("cifar10", True), ("cifar10-q75", False)]


# ---------------------------------------------------------------- damage that costs


def test_array_type_that_crashes_numpy_is_refused(small):
    path = small.folder / "test_batch"
    content = path.read_bytes()
    name = content.index(b"u1", content.index(b"dtype"))
    path.write_bytes(content[:name] + b"O8" + content[name + 2 :])
    with pytest.raises(DatasetError, match="an array of type"):
        read_split("test", small.folder)


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02}r" + struct.pack("<I", 1_258_834_695) + b".",  # an object's number in the memo
        b"\x80\x05\x8e" + struct.pack("<Q", 1 << 30) + b"few.",  # bytes' length
        b"\x80\x05\x96" + struct.pack("<Q", 1 << 30) + b"few.",  # a byte array's length
    ],
)
def test_few_bytes_that_would_take_gigabytes_are_refused_at_once(content, small):
    (small.folder / "test_batch").write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(DatasetError, match="Expected a CIFAR-10 batch file"):
            read_split("test", small.folder)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def test_archive_is_the_one_that_keras_knows():
    package = Path(importlib.util.find_spec("keras").origin).parent  # importing it takes long
    theirs = (package / "src" / "datasets" / "cifar10.py").read_text(encoding="utf-8")
    assert files.ARCHIVE.sha256 in theirs


# ---------------------------------------------------------------- any damage at all


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(change=damage())
def test_any_damage_gives_our_error_or_images_of_the_right_form(small, change):
    path = small.folder / "test_batch"
    kept = path.read_bytes()
    damaged = change(kept)
    path.write_bytes(damaged)
    try:
        images, labels, name, _ = read_split("test", small.folder)
    except DatasetError as error:
        assert str(path) in str(error) and one_message(error)
    else:
        assert images.shape == (100, 32, 32, 3) and images.dtype == np.uint8
        assert labels.shape == (100,) and set(labels) <= set(range(10))
        assert name == "unofficial copy"  # changed pixels are never called official
    finally:
        path.write_bytes(kept)
