"""Each training image is predicted by a network that never saw it, and none twice."""

from types import SimpleNamespace

import numpy as np
import pytest

from cifar_utils import pretrained
from cifar_utils.__main__ import main
from cifar_utils.data import load_cifar10
from cifar_utils.experiments import folds
from cifar_utils.pretrained import load_out_of_fold


@pytest.fixture
def data():
    return load_cifar10("synthetic", val_size=0, limit=100)


def label_of(images):
    """A class that an image's pixels tell."""
    return images.reshape(len(images), -1).sum(axis=1, dtype=int) % 10


@pytest.fixture
def trainings(monkeypatch):
    """The trainings, each its seed, images and file; a network knows images that it saw."""
    done = []

    def train(recipe, data, seed, resume, **options):
        seen = {image.tobytes() for image in data.x_train}
        done.append(SimpleNamespace(seed=seed, count=len(seen), resume=resume))
        if resume.with_name("kill").exists() and seed == 1:
            raise KeyboardInterrupt
        resume.touch()

        def predict_on_batch(images):
            assert not seen & {image.tobytes() for image in images}
            return 9 * np.eye(10)[label_of(images)]

        return SimpleNamespace(model=SimpleNamespace(predict_on_batch=predict_on_batch))

    monkeypatch.setattr(folds, "train", train)
    return done


def test_no_image_is_predicted_by_a_network_that_saw_it(data, trainings, tmp_path):
    where = {"state": tmp_path, "file": tmp_path / "out.npz"}
    probabilities = folds.out_of_fold("linear", data, 5, **where)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), label_of(data.x_train))
    assert [(training.seed, training.count) for training in trainings] == [
        (k, 80) for k in range(5)
    ]
    with np.load(tmp_path / "out.npz") as file:
        assert file["recipe"] == "linear" and file["folds"] == 5
        assert file["fingerprint"] == data.fingerprint
        assert file["accuracy"] == np.mean(label_of(data.x_train) == data.y_train)


def test_what_is_done_is_not_done_again(data, trainings, tmp_path):
    where = {"state": tmp_path / "state", "file": tmp_path / "out.npz"}
    where["state"].mkdir()
    (where["state"] / "kill").touch()
    with pytest.raises(KeyboardInterrupt):
        folds.out_of_fold("linear", data, 2, **where)
    assert not where["file"].exists()
    (where["state"] / "kill").unlink()
    folds.out_of_fold("linear", data, 2, **where)
    first, killed, again = trainings
    assert (first.seed, killed.seed, again.seed) == (0, 1, 1) and killed.resume == again.resume
    assert not list(where["state"].glob("*.npz"))  # the states of trainings that ended
    folds.out_of_fold("linear", data, 4, **where)  # other folds are others
    assert len(trainings) == 3 + 4


def test_what_the_command_writes_can_be_loaded(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CIFAR_UTILS_SOURCE", "synthetic")
    monkeypatch.setattr(pretrained, "OUT_OF_FOLD", tmp_path / "out.npz")
    where = ["--state", str(tmp_path / "state"), "--file", str(tmp_path / "out.npz")]
    command = ["out-of-fold", "linear", "--folds", "2", "--limit", "600", "--verbose", "0"]
    assert main([*command, *where]) == 0
    probabilities = load_out_of_fold()
    assert probabilities.shape == (600, 10) and probabilities.dtype == float
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    for k in range(2):
        (fold,) = (tmp_path / "state").glob(f"*-fold{k}.npy")
        assert np.load(fold).shape == (300, 10)
    assert "right of 600 images that were held out: out.npz" in capsys.readouterr().out


def test_the_packages_file_is_of_the_official_images_alone(data, trainings, tmp_path):
    with pytest.raises(ValueError, match="Received: none, with 100 images of synthetic stand-in"):
        folds.out_of_fold("linear", data, state=tmp_path)
    with pytest.raises(ValueError, match="Expected 11 images of each class"):
        folds.out_of_fold("linear", data, 11, state=tmp_path, file=tmp_path / "out.npz")
    with pytest.raises(ValueError, match="Expected folds"):
        folds.out_of_fold("linear", data, 1, state=tmp_path, file=tmp_path / "out.npz")
    assert not trainings
