"""What load_cifar10 promises: the images, the split, the name, and clear errors."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cifar_utils
from cifar_utils.__main__ import main
from cifar_utils.data import (
    CLASS_NAMES,
    NUM_CLASSES,
    DatasetError,
    channel_statistics,
    fingerprint,
    load_cifar10,
    load_cifar10_test,
    load_flaws,
    split_images,
)
from cifar_utils.dataset import fetch, files


def rows(*arrays):
    """Images as sortable rows of bytes, to compare sets of images."""
    return sorted(image.tobytes() for images in arrays for image in images)


def test_images_and_labels_are_those_of_the_files(small):
    data = load_cifar10(data_dir=small.folder, val_size=0)
    np.testing.assert_array_equal(data.x_train, small.x)  # colours, rows and columns in place
    np.testing.assert_array_equal(data.y_train, small.y)
    x_test, y_test = load_cifar10_test(data_dir=small.folder)
    np.testing.assert_array_equal(x_test, small.x_test)
    np.testing.assert_array_equal(y_test, small.y_test)
    assert data.fingerprint == fingerprint(small.x, small.y)


def test_arrays_are_contiguous_uint8_and_int64(small):
    data = load_cifar10(data_dir=small.folder, val_size=100, limit=200)
    for x, y in ((data.x_train, data.y_train), (data.x_val, data.y_val)):
        assert x.shape[1:] == (32, 32, 3) and x.dtype == np.uint8 and x.flags.c_contiguous
        assert y.shape == (len(x),) and y.dtype == np.int64


def test_split_takes_the_same_share_of_every_class_and_loses_nothing(small):
    data = load_cifar10(data_dir=small.folder, val_size=100)
    assert np.bincount(data.y_val).tolist() == [10] * 10
    assert np.bincount(data.y_train).tolist() == [40] * 10
    assert rows(data.x_train, data.x_val) == rows(small.x)  # all images, none twice


def test_labels_stay_with_their_images(small):
    data = load_cifar10(data_dir=small.folder, val_size=100, limit=300)
    truth = {image.tobytes(): label for image, label in zip(small.x, small.y, strict=True)}
    for x, y in ((data.x_train, data.y_train), (data.x_val, data.y_val)):
        assert [truth[image.tobytes()] for image in x] == y.tolist()


def test_same_seed_gives_the_same_split_and_another_seed_another(small):
    def val(seed):
        return load_cifar10(data_dir=small.folder, val_size=100, seed=seed).x_val.tobytes()

    assert val(0) == val(0) != val(1)


def test_limit_keeps_every_class_and_the_validation_images(small):
    data = load_cifar10(data_dir=small.folder, val_size=100, limit=50)
    whole = load_cifar10(data_dir=small.folder, val_size=100)
    assert np.bincount(data.y_train).tolist() == [5] * 10
    np.testing.assert_array_equal(data.x_val, whole.x_val)
    assert set(rows(data.x_train)) < set(rows(whole.x_train))
    assert len(load_cifar10(data_dir=small.folder, val_size=100, limit=9_990).x_train) == 400
    assert len(load_cifar10_test(data_dir=small.folder, limit=50)[0]) == 50


def test_real_data_split_500_a_class_of_5000(real_folder):
    data = load_cifar10(data_dir=real_folder)
    assert data.name in ("cifar10", "cifar10-q75")
    assert data.x_train.shape == (45_000, 32, 32, 3) and data.x_train.flags.c_contiguous
    assert np.bincount(data.y_val).tolist() == [500] * 10
    again = load_cifar10(data_dir=real_folder, val_size=0)
    x, y = np.concatenate([data.x_train, data.x_val]), np.concatenate([data.y_train, data.y_val])
    assert fingerprint(again.x_train, again.y_train) == data.fingerprint
    assert rows(x) == rows(again.x_train) and np.array_equal(np.sort(y), np.sort(again.y_train))


# ---------------------------------------------------------------- which data


def test_folder_given_beats_the_environment(make_folder, monkeypatch):
    one, other = make_folder("one", seed=1), make_folder("other", seed=2)
    monkeypatch.setenv("CIFAR10_DIR", str(other.folder))
    monkeypatch.setenv("CIFAR_UTILS_SOURCE", "synthetic")
    given = load_cifar10(data_dir=one.folder, val_size=0)
    named = load_cifar10("cifar10", val_size=0)
    np.testing.assert_array_equal(given.x_train, one.x)
    np.testing.assert_array_equal(named.x_train, other.x)  # "cifar10" is never the stand-in


def test_stand_in_comes_only_when_asked_for_and_says_so(monkeypatch, capsys):
    monkeypatch.setenv("CIFAR_UTILS_SOURCE", "synthetic")
    data = load_cifar10(val_size=10, limit=20)
    assert data.name == "synthetic stand-in"
    assert "say nothing about CIFAR-10" in capsys.readouterr().out
    x_test, _ = load_cifar10_test(limit=20)
    assert "say nothing about CIFAR-10" in capsys.readouterr().out
    assert not set(rows(x_test)) & set(rows(data.x_train, data.x_val))


def test_unofficial_copy_is_accepted_with_a_notice(small, capsys):
    data = load_cifar10(data_dir=small.folder, val_size=0)
    assert data.name == "unofficial copy"
    notice = capsys.readouterr().out
    assert "not the official release" in notice and data.fingerprint[:12] in notice


@pytest.mark.parametrize("name", ["val_size", "limit"])
@pytest.mark.parametrize("value", [-10, 5, 10.0, "100", True])
def test_sizes_that_are_not_multiples_of_ten_are_refused(name, value):
    with pytest.raises(ValueError, match=rf"Expected {name} to be a multiple of 10.*Received"):
        load_cifar10("synthetic", **{"val_size": 10, "limit": 20, name: value})


def test_limit_zero_and_a_split_that_leaves_nothing_are_refused(small):
    with pytest.raises(ValueError, match="Expected limit"):
        load_cifar10_test("synthetic", limit=0)
    with pytest.raises(ValueError, match=r"Expected val_size to leave.*val_size=500 with 50"):
        load_cifar10(data_dir=small.folder, val_size=500)


def test_unknown_source_is_refused():
    with pytest.raises(ValueError, match=r"Expected a source of .'auto'.*Received: 'mnist'"):
        load_cifar10("mnist")
    with pytest.raises(ValueError, match="Expected no data_dir"):
        load_cifar10("synthetic", data_dir="somewhere")


def test_folder_that_lacks_a_file_is_named(small):
    (small.folder / "data_batch_4").unlink()
    with pytest.raises(DatasetError, match="lacks data_batch_4"):
        load_cifar10(data_dir=small.folder)


# ---------------------------------------------------------------- statistics and the rest


def test_statistics_are_those_of_all_pixels(small):
    mean, std = channel_statistics(small.x)
    pixels = small.x.reshape(-1, 3) / 255
    np.testing.assert_allclose(mean, pixels.mean(axis=0))
    np.testing.assert_allclose(std, pixels.std(axis=0))


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 32, 32, 3)),
        np.zeros((2, 32, 32, 4), "uint8"),
        np.zeros((0, 32, 32, 3), "uint8"),
    ],
    ids=["floats", "transparency", "none"],
)
def test_statistics_refuse_other_images(images):
    with pytest.raises(ValueError, match=r"Expected images as a uint8 array.*Received"):
        channel_statistics(images)


def test_fingerprint_changes_with_one_pixel_and_one_label(small):
    before = fingerprint(small.x, small.y)
    x, y = small.x.copy(), small.y.copy()
    x[3, 2, 1, 0] ^= 1
    y[0] = (y[0] + 1) % 10
    assert len({before, fingerprint(x, small.y), fingerprint(small.x, y)}) == 3


def test_ten_class_names():
    assert len(set(CLASS_NAMES)) == NUM_CLASSES == 10


def test_imports_leave_tensorflow_and_keras_out():
    code = (
        "import sys, cifar_utils.data, cifar_utils.evaluation, cifar_utils.plotting, "
        "cifar_utils.experiments.ledger, cifar_utils.dataset.synthetic, cifar_utils.dataset.files; "
        "print(*{'tensorflow', 'keras', 'torch', 'jax'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


# ---------------------------------------------------------------- files, places, command


def test_file_holds_red_then_green_then_blue_row_by_row(small, write_official):
    planes = np.zeros((100, 3, 1024), np.uint8)
    planes[0, 0, 0 * 32 + 5] = 200  # red at row 0, column 5
    planes[0, 1, 31 * 32 + 0] = 100  # green at row 31, column 0
    planes[0, 2, 3 * 32 + 7] = 50  # blue at row 3, column 7
    batch = {"data": planes.reshape(100, 3072), "labels": [6, 9] + [0] * 98}
    write_official(small.folder / "data_batch_1", batch)
    data = load_cifar10(data_dir=small.folder, val_size=0)
    expected = np.zeros((32, 32, 3))
    expected[0, 5], expected[31, 0], expected[3, 7] = (200, 0, 0), (0, 100, 0), (0, 0, 50)
    np.testing.assert_array_equal(data.x_train[0], expected)
    assert [CLASS_NAMES[label] for label in data.y_train[:2]] == ["frog", "truck"]


def test_training_works_without_the_test_batch_being_readable(small):
    (small.folder / "test_batch").write_bytes(b"sealed")
    assert len(load_cifar10(data_dir=small.folder, val_size=100).x_train) == 400
    with pytest.raises(DatasetError, match="test_batch"):
        load_cifar10_test(data_dir=small.folder)


@pytest.mark.parametrize("parent", [False, True], ids=["batches folder", "its parent"])
def test_folder_in_CIFAR10_DIR_is_used(small, monkeypatch, parent):
    monkeypatch.setenv("CIFAR10_DIR", str(small.folder.parent if parent else small.folder))
    np.testing.assert_array_equal(load_cifar10(val_size=0).x_train, small.x)
    np.testing.assert_array_equal(load_cifar10_test()[0], small.x_test)


def test_CIFAR10_DIR_beats_the_caches(make_folder, monkeypatch, tmp_path):
    named, cached = make_folder("named", seed=1), make_folder("cached", seed=2)
    cache = tmp_path / "keras" / "datasets" / "cifar-10-batches-py-target" / files.FOLDER
    cache.parent.mkdir(parents=True)
    cached.folder.rename(cache)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    np.testing.assert_array_equal(load_cifar10(val_size=0).x_train, cached.x)
    monkeypatch.setenv("CIFAR10_DIR", str(named.folder))
    np.testing.assert_array_equal(load_cifar10(val_size=0).x_train, named.x)


def test_CIFAR_UTILS_SOURCE_speaks_for_auto_alone(small, monkeypatch):
    monkeypatch.setenv("CIFAR10_DIR", str(small.folder))
    monkeypatch.setenv("CIFAR_UTILS_SOURCE", "synthetic")
    assert load_cifar10(val_size=10, limit=10).name == "synthetic stand-in"
    assert load_cifar10("cifar10", val_size=10, limit=10).name == "unofficial copy"
    monkeypatch.setenv("CIFAR_UTILS_SOURCE", "mnist")
    with pytest.raises(ValueError, match="mnist"):
        load_cifar10()


@pytest.mark.parametrize("load", [load_cifar10, load_cifar10_test])
def test_without_files_or_network_the_error_offers_the_stand_in(load, monkeypatch):
    monkeypatch.setattr(fetch, "LIMITS", fetch.Limits(pause=0.01))
    with pytest.raises(DatasetError, match='source="synthetic"'):
        load(mirrors=["http://127.0.0.1:9/x.tar.gz"])


def test_wrong_data_dir_is_named(tmp_path):
    with pytest.raises(DatasetError, match="no folder") as caught:
        load_cifar10(data_dir=tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in str(caught.value)


def test_val_size_false_is_no_number(small):
    with pytest.raises(ValueError, match="Expected val_size to be a multiple of 10"):
        load_cifar10(data_dir=small.folder, val_size=False)


def test_sizes_may_be_integers_of_numpy(small):
    data = load_cifar10(data_dir=small.folder, val_size=np.int64(100), limit=np.int32(50))
    assert (len(data.x_val), len(data.x_train)) == (100, 50)


def test_command_line_tells_what_is_wrong_without_a_traceback(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("CIFAR10_DIR", str(tmp_path / "nowhere"))
    assert main(["data"]) == 1
    told = capsys.readouterr()
    assert str(tmp_path / "nowhere") in told.err
    assert "Traceback" not in told.err
    assert told.out == ""


IMAGES = np.random.default_rng(0).integers(0, 256, (20, 8, 6, 1), dtype="uint8")


def test_own_images_are_split_class_by_class_and_none_is_in_both_parts():
    labels = np.repeat([0, 1], [15, 5])
    data = split_images(list(IMAGES), list(labels), {1: "dog", 0: "cat"}, seed=3, name="pets")
    assert data.class_names == ("cat", "dog") and data.name == "pets"
    assert np.bincount(data.y_val).tolist() == [3, 1] and len(data.x_train) == 16
    both = np.concatenate([data.x_train, data.x_val]).reshape(20, -1)
    assert {*map(bytes, both)} == {*map(bytes, IMAGES)}
    again, other = (split_images(IMAGES, labels, seed=seed) for seed in (3, 4))
    np.testing.assert_array_equal(again.x_val, data.x_val)
    assert (other.x_val != data.x_val).any() and other.class_names == ("0", "1")
    assert len(split_images(IMAGES, labels, val_size=0).x_val) == 0
    for four in (4, np.uint8(4), np.float32(0.2)):
        assert len(split_images(IMAGES, labels, val_size=four).x_val) in (4, 5)
    assert repr(data) == "<pets: 16 training and 4 validation images in 2 classes>"


@pytest.mark.parametrize(
    ("change", "message"),
    [({"labels": np.full(20, 1)}, "labels 0, 1, 2 …"), ({"labels": np.zeros(19, int)}, "19 labels"),
     ({"labels": -np.ones(20, int)}, "labels 0, 1, 2 …"), ({"val_size": 1.0}, "below 1"),
     ({"val_size": 19}, "images of each of 2"), ({"val_size": True}, "val_size"),
     ({"images": IMAGES / 255}, "(255 * images)"), ({"class_names": ["a"]}, "2 class_names"),
     ({"labels": np.repeat([0, 1, 2], [10, 8, 2])}, "images of each of 3"),
     ({"class_names": ["a", "b", "c"]}, "none of c"), ({"val_size": 0.01}, "images of each of 2"),
     ({"labels": np.eye(20)[0].astype(int)}, "images of each of 2"), ({"seed": -1}, "seed")],
)  # fmt: skip
def test_own_images_that_cannot_be_split_are_refused(change, message):
    labels = np.arange(20) % 2
    with pytest.raises(ValueError, match=re.escape(message)):
        split_images(**{"images": IMAGES, "labels": labels} | change)


def test_flaws_are_lists_of_test_images_in_their_order():
    duplicates, rejected = load_flaws()
    assert duplicates.shape == (286, 2) and rejected.shape == (54, 2)
    for rows in (duplicates, rejected):
        assert rows.dtype == np.int64 and np.all(np.diff(rows[:, 0]) > 0)
        assert rows[:, 0].min() >= 0 and rows[:, 0].max() < 10_000
    assert set(rejected[:, 1]) <= {-1, *range(10)} and np.sum(rejected[:, 1] >= 0) == 18
    text = Path(cifar_utils.__file__).with_name("flaws.json").read_text(encoding="utf-8")
    assert "1902.00423" in text and "2103.14749" in text and text.count('"licence"') == 2


def test_flaws_are_those_of_the_images(real_folder):
    duplicates, rejected = load_flaws()
    data = load_cifar10("cifar10", real_folder, val_size=0)
    x_test, y_test = load_cifar10_test("cifar10", real_folder)
    test, train = duplicates.T
    assert np.all(y_test[test] == data.y_train[train])
    pairs = zip(x_test[test].reshape(286, -1), data.x_train[train].reshape(286, -1), strict=True)
    assert np.median([np.corrcoef(a, b)[0, 1] for a, b in pairs]) > 0.8
    assert np.all(y_test[rejected[:, 0]] != rejected[:, 1])
