"""A training survives being killed, and knows its own state from others'."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partialmethod
from pathlib import Path

import keras
import numpy as np
import pytest

from cifar_utils import training
from cifar_utils.data import load_cifar10
from cifar_utils.fast.resume import TrainingState
from cifar_utils.models import build_model
from cifar_utils.training import RECIPES, train

# Its transform and its dropout have random numbers that must go on where they were.
QUICK = replace(
    RECIPES["valid_cnn"],
    name="quick",
    batch_size=20,
    epochs=3,
    augmentation=(("crop_alternating_flip", 2),),
)
OPTIONS = {"precision": "float32", "verbose": 0}


@pytest.fixture(scope="module")
def data():
    return load_cifar10("synthetic", val_size=50, limit=100)


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """A training of one epoch, and the file in which its state was kept."""
    file = tmp_path_factory.mktemp("finished") / "state.npz"
    run = train(QUICK, data, 0, epochs=1, resume=file, **OPTIONS)
    assert [path.name for path in file.parent.iterdir()] == ["state.npz"]
    return run, file.read_bytes()


@pytest.fixture
def state(finished, tmp_path):
    file = tmp_path / "state.npz"
    file.write_bytes(finished[1])
    return file


def assert_equal(first, second):
    for a, b in zip(first.model.get_weights(), second.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


SCRIPT = """
import sys
from cifar_utils.data import load_cifar10
from cifar_utils.training import train
from test_resume import QUICK
data = load_cifar10("synthetic", val_size=50, limit=100)
train(QUICK, data, 7, epochs=200, precision="float32", resume=sys.argv[1], verbose=0)
"""


def test_killed_training_resumes_to_the_same_weights(data, tmp_path, monkeypatch):
    state = tmp_path / "state.npz"
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(state)],
        stdout=subprocess.DEVNULL, cwd=Path(__file__).parent,
    )  # fmt: skip
    deadline = time.monotonic() + 100
    while not state.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)  # somewhere in a later epoch, or while its state is being written
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the training ended before it could be killed"
    done = len(json.loads(str(np.load(state)["about"]))["history"]["seconds"])
    assert 1 <= done < 200

    # A whole training of the same schedule, cut to few epochs, gives the same weights.
    stop = StopAfter(done + 2)
    monkeypatch.setattr(TrainingState, "on_epoch_end", stop.wrap(TrainingState.on_epoch_end))
    resumed = train(QUICK, data, 7, epochs=200, resume=state, **OPTIONS)
    whole = train(QUICK, data, 7, epochs=200, **OPTIONS)
    assert len(resumed.history["loss"]) == len(whole.history["loss"]) == done + 2
    assert_equal(resumed, whole)
    assert resumed.history["val_loss"] == whole.history["val_loss"]


class StopAfter:
    """Ends a training after some epochs, without changing its schedule."""

    def __init__(self, epochs):
        self.epochs = epochs

    def wrap(self, on_epoch_end):
        def stopping(state, epoch, logs=None):
            on_epoch_end(state, epoch, logs)
            state.model.stop_training = epoch + 1 >= self.epochs

        return stopping


def refused(message, state, recipe, data, seed=0):
    """A state is refused with a message, and kept."""
    before = state.read_bytes()
    with pytest.raises(ValueError, match=message):
        train(recipe, data, seed, epochs=1, resume=state, **OPTIONS)
    assert state.read_bytes() == before


def test_state_of_another_training_is_refused_and_kept(state, data):
    refused("to hold the state of this training.*'seed': 1", state, QUICK, data, seed=1)
    other = replace(data, x_val=data.x_val[:20], y_val=data.y_val[:20])
    refused("to hold the state of this training.*'validation'", state, QUICK, other)
    other = replace(data, x_train=data.x_train[::-1], y_train=data.y_train[::-1])
    refused(r"\{'data': .* Remove the file to start anew", state, QUICK, other)


def test_state_of_a_network_that_has_changed_since_is_refused(state, data, monkeypatch):
    monkeypatch.setattr(training, "build_model", lambda name, **_: build_model("plain_cnn"))
    refused("another version", state, QUICK, data)


@pytest.mark.parametrize("damage", [b"", b"text", None], ids=["empty", "text", "cut"])
def test_damaged_state_is_named_and_refused(damage, state, data):
    state.write_bytes(state.read_bytes()[:-500] if damage is None else damage)
    refused(r"state.npz to hold the state.*Remove the file to start anew", state, QUICK, data)


def test_finished_training_is_not_run_again(finished, state, data):
    again = train(QUICK, data, 0, epochs=1, resume=state, **OPTIONS)
    assert_equal(finished[0], again)
    assert again.seconds == finished[0].seconds


@pytest.mark.parametrize("place", ["", "file/state.npz"])
def test_state_that_cannot_be_kept_is_refused_before_any_training(place, data, tmp_path, capsys):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="resume as a file"):
        train(QUICK, data, resume=tmp_path / place, verbose=2)
    assert "Epoch" not in capsys.readouterr().out


SIZES = replace(
    QUICK, model="fast_cnn", batch_size=50, sides=((0.7, 16),), optimizer="muon", lookahead=True,
    learning_rate=0.02, augmentation=(("crop_alternating_flip", 2),), initialization="whitening",
    normalization="zscore", whitening_epochs=1, model_options={"widths": (8, 16, 16)},
)  # fmt: skip


@contextlib.contextmanager
def without_graphs():
    """Few steps take less time than to build a graph for each size."""
    compiled = partialmethod(keras.Sequential.compile, run_eagerly=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.Sequential, "compile", compiled)
        yield


@pytest.fixture(scope="module")
def whole(data):
    with without_graphs():
        return train(SIZES, data, **OPTIONS)


@pytest.mark.xdist_group("sizes")
@pytest.mark.parametrize("last", [0, 1])  # before the kill: of the small images, of whole ones
def test_small_images_at_first_then_whole_ones_train_the_same_weights(
    last, whole, data, tmp_path, monkeypatch
):
    """So does Muon, and so do offsets of the whitening layer, which are frozen after an epoch."""
    state, on_epoch_end = tmp_path / "state.npz", TrainingState.on_epoch_end

    def interrupted(callback, epoch, logs=None):
        on_epoch_end(callback, epoch, logs)
        if epoch == last:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TrainingState, "on_epoch_end", interrupted)
        with without_graphs(), pytest.raises(KeyboardInterrupt):
            train(SIZES, data, resume=state, **OPTIONS)
    with without_graphs():
        resumed = train(SIZES, data, resume=state, **OPTIONS)
    assert len(whole.history["loss"]) == len(resumed.history["loss"]) == 3
    assert_equal(whole, resumed)
    assert whole.model.input.shape == (None, 32, 32, 3)


def test_state_is_kept_in_every_precision(data, tmp_path):
    options = OPTIONS | {"precision": "bfloat16"}
    recipe = replace(SIZES, model_options={"widths": (4, 8, 8)})
    state = tmp_path / "state.npz"
    with without_graphs():
        first = train(recipe, data, epochs=1, resume=state, **options)
        again = train(recipe, data, epochs=1, resume=state, **options)
    assert first.model.weights[0].dtype == "bfloat16" and again.history == first.history
    assert_equal(first, again)


def test_a_reworded_source_makes_no_other_training(finished, state, data, monkeypatch):
    monkeypatch.setenv("HOME", str(state.parent))
    reworded = replace(QUICK, source="the same, in other words")
    again = train(reworded, data, 0, epochs=1, resume="~/state.npz", **OPTIONS)
    assert again.history == finished[0].history
