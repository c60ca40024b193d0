"""Recipes train, are repeatable, and survive being killed."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial, partialmethod
from pathlib import Path

import keras
import numpy as np
import pytest
from test_models import outputs_in_a_fresh_process

from cifar_utils import training
from cifar_utils.fast import pipeline
from cifar_utils.data import channel_statistics, load_cifar10
from cifar_utils.evaluation import predict_probabilities
from cifar_utils.models import build_model, list_models
from cifar_utils.recipes import Recipe
from cifar_utils.fast.resume import TrainingState
from cifar_utils.training import RECIPES, train

BEST_PRECISION = training.best_precision
QUICK = replace(
    RECIPES["valid_cnn"],
    name="quick",
    batch_size=20,
    epochs=3,
    augmentation=(("crop_alternating_flip", 2), ("rotation", 5.0)),
)


@pytest.fixture(autouse=True)
def in_float32(monkeypatch):
    """Unless a test says otherwise, on machines with bfloat16 units, too."""
    monkeypatch.setattr(training, "best_precision", lambda: "float32")


@pytest.fixture(scope="module")
def data():
    return load_cifar10("synthetic", val_size=50, limit=100)


def weights(run):
    return [np.asarray(value) for value in run.model.get_weights()]


def assert_equal(first, second):
    for a, b in zip(weights(first), weights(second), strict=True):
        np.testing.assert_array_equal(a, b)


def test_every_system_has_its_recipe_and_every_recipe_its_network():
    assert {"plain_cnn", "plain_cnn_l2", "dense_head_cnn", "dense_head_cnn_augmented"} <= set(
        RECIPES
    )
    assert {"valid_cnn", "residual_cnn", "resnet20", "plain20"} <= set(RECIPES)
    for name, recipe in RECIPES.items():
        assert recipe.name == name and recipe.model in list_models() and recipe.source


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_trains(name, data):
    recipe = replace(RECIPES[name], batch_size=50)
    run = train(recipe, data, epochs=2, verbose=0)  # one of small images, where it has any
    assert list(map(len, run.history.values())) == [2] * len(run.history)
    assert {"loss", "accuracy", "val_loss", "val_accuracy", "seconds"} == set(run.history)
    assert np.isfinite(run.history["loss"][0]) and run.seconds > 0 < run.images_per_second
    assert run.model.predict(data.x_val[:7], verbose=0).shape == (7, 10)
    assert (run.recipe.epochs, run.precision) == (2, "float32")


def test_training_learns():
    data = load_cifar10("synthetic", val_size=200, limit=1_000)
    recipe = replace(RECIPES["valid_cnn"], batch_size=20, model_options={})
    run = train(recipe, data, epochs=5, verbose=0)
    assert run.history["val_accuracy"][-1] > 0.4


def test_the_seed_decides_everything(data):
    first, again, other = (train(QUICK, data, seed, epochs=1, verbose=0) for seed in (1, 1, 2))
    assert_equal(first, again)
    assert any((a != b).any() for a, b in zip(weights(first), weights(other), strict=True))


def test_validation_figures_are_of_all_validation_images_once(data, monkeypatch):
    monkeypatch.setattr(pipeline, "EVALUATION_BATCH", 20)  # the 50 images in three batches
    run = train(QUICK, data, epochs=3, verbose=0)
    probabilities = predict_probabilities(run.model, data.x_val)
    right = probabilities.argmax(axis=1) == data.y_val
    assert abs(run.history["val_accuracy"][-1] - right.mean()) < 1e-6
    loss = -np.log(probabilities[np.arange(50), data.y_val]).mean()
    assert abs(run.history["val_loss"][-1] - loss) < 1e-3


def test_run_without_validation_images(data):
    everything = load_cifar10("synthetic", val_size=0, limit=100)
    run = train(QUICK, everything, epochs=1, verbose=0)
    assert "val_accuracy" not in run.history


SCRIPT = """
import sys
from cifar_utils.data import load_cifar10
from cifar_utils.training import train
from test_training import QUICK
data = load_cifar10("synthetic", val_size=50, limit=100)
train(QUICK, data, 7, epochs=200, precision=sys.argv[2], resume=sys.argv[1], verbose=0)
"""


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_killed_training_resumes_to_the_same_weights(precision, data, tmp_path, monkeypatch):
    state = tmp_path / "state.npz"
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(state), precision],
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
    options = {"epochs": 200, "precision": precision, "verbose": 0}
    resumed = train(QUICK, data, 7, resume=state, **options)
    whole = train(QUICK, data, 7, **options)
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


def test_state_of_another_training_is_refused_and_kept(data, tmp_path):
    state = tmp_path / "state.npz"
    train(QUICK, data, 0, epochs=1, resume=state, verbose=0)
    before = state.read_bytes()
    with pytest.raises(ValueError, match="to hold the state of this training"):
        train(QUICK, data, 1, epochs=1, resume=state, verbose=0)
    assert state.read_bytes() == before


def test_finished_training_is_not_run_again(data, tmp_path):
    state = tmp_path / "state.npz"
    first = train(QUICK, data, 0, epochs=1, resume=state, verbose=0)
    again = train(QUICK, data, 0, epochs=1, resume=state, verbose=0)
    assert_equal(first, again)
    assert again.seconds == first.seconds


@pytest.mark.parametrize("place", ["", "file/state.npz"])
def test_state_that_cannot_be_kept_is_refused_before_any_training(place, data, tmp_path, capsys):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="resume as a file"):
        train(QUICK, data, resume=tmp_path / place, verbose=2)
    assert "Epoch" not in capsys.readouterr().out


def test_state_of_a_network_that_has_changed_since_is_refused(data, tmp_path, monkeypatch):
    state = tmp_path / "state.npz"
    train(QUICK, data, epochs=1, resume=state, verbose=0)
    wider = partial(build_model, "plain_cnn")
    monkeypatch.setattr(training, "build_model", lambda name, **options: wider())
    with pytest.raises(ValueError, match="another version"):
        train(QUICK, data, epochs=1, resume=state, verbose=0)


def test_seconds_are_of_training_without_validation(data, monkeypatch):
    def slow(*_, **__):
        time.sleep(1)

    monkeypatch.setattr(TrainingState, "on_test_batch_begin", slow)
    run = train(QUICK, data, epochs=3, verbose=0)
    assert max(run.history["seconds"][1:]) < 0.9


def test_trained_network_is_saved_and_loaded_elsewhere(data, tmp_path):
    recipe = replace(RECIPES["fast_cnn"], batch_size=50, epochs=3)
    run = train(recipe, data, precision="mixed_bfloat16", verbose=0)
    outputs = outputs_in_a_fresh_process(run.model, data.x_val, tmp_path)
    np.testing.assert_array_equal(outputs, run.model.predict(data.x_val, verbose=0))


def test_batches_of_too_few_images_are_refused(data):
    with pytest.raises(ValueError, match=r"least 101 training images, a batch. Received: 100"):
        next(pipeline.training_batches(replace(QUICK, batch_size=101), data, 0, 0))


def test_mixup_blends_images_and_labels(data):
    batches = pipeline.training_batches(
        replace(QUICK, mixup=0.5, augmentation=(("crop_flip", 2),)), data, seed=0, first_epoch=0
    )
    images, labels = next(batches)
    np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-6)
    assert ((labels > 0).sum(axis=1) == 2).any()
    assert images.dtype == np.float32 and images.min() >= 0 and images.max() <= 255


def test_mixup_trains_whatever_the_keras_wide_precision_is(data, set_precision):
    set_precision("mixed_bfloat16")
    recipe = replace(QUICK, mixup=0.2, augmentation=(("crop_flip", 2),))
    run = train(recipe, data, epochs=2, verbose=0)
    assert np.isfinite(run.history["loss"]).all()


def test_batches_go_through_all_images_in_a_new_order_each_epoch(data):
    batches = pipeline.training_batches(QUICK, data, seed=0, first_epoch=0)
    epochs = [np.concatenate([next(batches)[0] for _ in range(5)]) for _ in range(2)]
    assert (epochs[0] != epochs[1]).any()
    for epoch in epochs:
        assert sorted(image.tobytes() for image in epoch) == sorted(
            image.tobytes() for image in data.x_train
        )


@pytest.mark.parametrize("schedule", ["constant", "cosine", "triangle"])
def test_schedules(schedule):
    recipe = replace(QUICK, schedule=schedule, learning_rate=0.5)
    rate = recipe.build_optimizer(100).learning_rate
    if schedule == "constant":
        assert float(rate) == 0.5
        return
    optimizer = recipe.build_optimizer(100)
    rates = []
    for step in range(101):
        optimizer.iterations.assign(step)
        rates.append(float(optimizer.learning_rate))
    peak = 20 if schedule == "triangle" else 0
    assert np.argmax(rates) == peak and abs(rates[peak] - 0.5) < 1e-6 and rates[-1] < 1e-6
    assert np.all(np.diff(rates[peak:]) <= 1e-9)


def test_weight_decay_spares_biases_and_normalisation():
    recipe = replace(QUICK, optimizer="sgd", weight_decay=0.5, learning_rate=1.0)
    optimizer = recipe.build_optimizer(10)
    kernel, bias = (keras.Variable(np.ones(3), name=name) for name in ("kernel", "bias"))
    optimizer.apply([np.zeros(3, "float32")] * 2, [kernel, bias])
    assert float(kernel[0]) == 0.5 and float(bias[0]) == 1


def test_precision_can_be_chosen(data):
    run = train(QUICK, data, epochs=1, precision="mixed_bfloat16", verbose=0)
    assert run.model.get_layer("stage1_conv1").compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize(
    ("options", "message"),
    [({"optimizer": "adamw"}, "optimizer.*'adamw'"), ({"schedule": "step"}, "schedule.*'step'"),
     ({"normalization": "l2"}, "normalization.*'l2'"), ({"epochs": -1}, "epochs.*-1"),
     ({"initialization": "zeros"}, "initialization.*'zeros'"), ({"batch_size": 0}, "size.*0"),
     ({"initialization": "whitening"}, "'zscore'.*'unit'"), ({"learning_rate": -1.0}, "rate.*-1"),
     ({"label_smoothing": 1.5}, "smoothing.*1.5"), ({"sides": ((1.5, 16),)}, "sides.*1.5"),
     ({"sides": ((0.5, 16), (0.2, 24))}, "rising"), ({"sides": ((0.5, 4),)}, "sides.*4"),
     ({"mixup": 0.2, "augmentation": (("crop_alternating_flip", 2),)}, "no mixup.*0.2"),
     ({"epochs": True}, "epochs.*True"), ({"learning_rate": float("inf")}, "rate.*inf"),
     ({"mixup": "0.2"}, "mixup.*'0.2'"), ({"weight_decay": None}, "decay.*None")],
)  # fmt: skip
def test_bad_recipes_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**{"name": "x", "model": "plain_cnn", "source": "", "epochs": 1} | options)


def test_recipes_take_what_numpy_counts_and_what_networks_take(data, tmp_path):
    mean, std = channel_statistics(data.x_train)
    recipe = replace(QUICK, epochs=np.int64(1), model_options={"statistics": (mean, std)})
    run = train(recipe, data, resume=tmp_path / "state.npz", verbose=0)
    assert len(run.history["loss"]) == 1
    kept = json.loads(json.dumps(recipe.settings()))["model_options"]["statistics"]
    np.testing.assert_allclose(kept, [mean, std])


@pytest.mark.parametrize(
    ("flags", "gpu", "precision"),
    [("fpu avx2", False, "float32"), ("fpu avx512_bf16", False, "mixed_bfloat16"),
     ("amx_tile amx_bf16", False, "mixed_bfloat16"), ("amx_bf16", True, "mixed_float16")],
)  # fmt: skip
def test_best_precision_is_that_of_the_machines_units(flags, gpu, precision, monkeypatch):
    monkeypatch.setattr(training, "has_gpu", lambda: gpu)
    monkeypatch.setattr(Path, "exists", lambda _: True)
    monkeypatch.setattr(Path, "read_text", lambda _: f"flags : {flags}")
    assert BEST_PRECISION() == precision


def test_no_epochs_are_refused_and_not_taken_for_the_recipes_own(data):
    with pytest.raises(ValueError, match=r"epochs.*Received: 0"):
        train(QUICK, data, epochs=0, verbose=0)


@pytest.mark.parametrize(("precision", "scaled"), [("mixed_float16", 1), ("float32", 0)])
def test_float16_is_trained_with_a_scaled_loss(precision, scaled, data, monkeypatch):
    made, wrapper = [], keras.optimizers.LossScaleOptimizer
    monkeypatch.setattr(
        keras.optimizers, "LossScaleOptimizer", lambda inner: made.append(inner) or wrapper(inner)
    )
    run = train(QUICK, data, epochs=1, precision=precision, verbose=0)
    assert len(made) == scaled and np.isfinite(run.history["loss"]).all()


@pytest.mark.parametrize("damage", [b"", b"text", None], ids=["empty", "text", "cut"])
def test_damaged_state_is_named_and_refused(damage, data, tmp_path):
    state = tmp_path / "state.npz"
    train(QUICK, data, epochs=1, resume=state, verbose=0)
    assert [path.name for path in tmp_path.iterdir()] == ["state.npz"]
    state.write_bytes(state.read_bytes()[:-500] if damage is None else damage)
    message = r"state.npz to hold the state.*Remove the file to start anew"
    with pytest.raises(ValueError, match=message):
        train(QUICK, data, epochs=1, resume=state, verbose=0)


def test_state_with_other_validation_images_is_refused(data, tmp_path):
    train(QUICK, data, epochs=1, resume=tmp_path / "state.npz", verbose=0)
    other = replace(data, x_val=data.x_val[:20], y_val=data.y_val[:20])
    with pytest.raises(ValueError, match=r"to hold the state of this training.*'validation'"):
        train(QUICK, other, epochs=1, resume=tmp_path / "state.npz", verbose=0)


def test_state_of_another_split_of_the_same_images_is_refused(data, tmp_path):
    train(QUICK, data, epochs=1, resume=tmp_path / "state.npz", verbose=0)
    other = replace(data, x_train=data.x_train[::-1], y_train=data.y_train[::-1])
    with pytest.raises(ValueError, match=r"\{'data': .* Remove the file to start anew"):
        train(QUICK, other, epochs=1, resume=tmp_path / "state.npz", verbose=0)


def test_labels_and_images_that_do_not_belong_together_are_refused(data):
    for change in (
        {"y_train": data.y_train - 1},
        {"y_train": data.y_train + 1},
        {"y_train": data.y_train[1:]},
        {"x_val": data.x_val[:0]},
    ):
        with pytest.raises(ValueError, match=r"Expected (labels|images)"):
            train(QUICK, replace(data, **change), verbose=0)
    with pytest.raises(ValueError, match="Expected images as a uint8 array"):
        train(QUICK, replace(data, x_train=data.x_train / 255), verbose=0)


@pytest.mark.parametrize("field", ["x_train", "x_val"])
@pytest.mark.parametrize("sides", [(), ((1.0, 16),)])
def test_images_of_another_size_are_refused_before_any_training(field, sides, data, capsys):
    larger = np.repeat(np.repeat(getattr(data, field), 2, axis=1), 2, axis=2)
    recipe = replace(QUICK, model="fast_cnn", sides=sides)
    with pytest.raises(ValueError, match=r"shape \(n, 32, 32, 3\).*64, 64, 3"):
        train(recipe, replace(data, **{field: larger}), verbose=2)
    assert "Epoch" not in capsys.readouterr().out


def test_a_training_on_small_images_ends_with_whole_ones_however_short():
    phases = replace(QUICK, epochs=1, sides=((0.7, 16),)).phases()
    assert list(phases) == [(0, 1, 32)]
    phases = replace(QUICK, epochs=10, sides=((0.5, 16), (0.8, 24))).phases()
    assert list(phases) == [(0, 5, 16), (5, 8, 24), (8, 10, 32)]
    assert list(replace(QUICK, sides=((1.0, 16),)).phases()) == [(0, 3, 16)]


def test_images_too_small_for_the_network_are_refused_before_any_training(data, capsys):
    recipe = replace(QUICK, model="fast_cnn", sides=((0.4, 16), (0.7, 8)))
    with pytest.raises(ValueError, match=r"large enough for fast_cnn. Received: 8 x 8"):
        train(recipe, data, verbose=2)
    assert "Epoch" not in capsys.readouterr().out


@pytest.mark.parametrize("field", ["y_train", "y_val"])
def test_labels_in_another_form_are_refused(field, data):
    one_hot = np.eye(10, dtype="float32")[getattr(data, field)]
    with pytest.raises(ValueError, match=r"whole numbers of shape \(n,\).*10\), dtype float32"):
        train(
            replace(QUICK, mixup=0.2, augmentation=()), replace(data, **{field: one_hot}), verbose=0
        )


def test_training_can_start_from_the_images(data):
    start = {"initialization": "whitening", "normalization": "zscore"}
    recipe = replace(QUICK, **start, learning_rate=0.0, epochs=1)
    kernel = train(recipe, data, verbose=0).model.get_layer("stage1_conv1").kernel
    np.testing.assert_array_equal(kernel[..., :16], -kernel[..., 16:])


@pytest.mark.parametrize("precision", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_fast_recipe_diverges_in_no_precision(precision, data):
    recipe = replace(RECIPES["fast_cnn"], batch_size=50, epochs=3, sides=())
    run = train(recipe, data, precision=precision, verbose=0)
    assert np.isfinite(run.history["loss"] + run.history["val_loss"]).all()
    assert all(np.isfinite(w).all() for w in weights(run))


def test_fast_recipe_trains_under_xla_as_it_does_on_a_gpu(data, monkeypatch):
    compile_plainly = keras.Sequential.compile
    monkeypatch.setattr(
        keras.Sequential, "compile", partialmethod(compile_plainly, jit_compile=True)
    )
    recipe = replace(RECIPES["fast_cnn"], batch_size=50, sides=())
    run = train(recipe, data, epochs=1, verbose=0)
    assert np.isfinite(run.history["loss"]).all()


@pytest.mark.parametrize("side", [12, 16, 24])
@pytest.mark.parametrize("name", ["plain_cnn", "dense_head_cnn", "residual_cnn", "fast_cnn"])
def test_smaller_images_are_shown_to_the_very_same_weights(name, side, data):
    model = build_model(name)
    smaller = keras.Sequential(training._at_side(model, side))
    assert smaller(data.x_val[:4]).shape == (4, 10)
    shared, own = ({id(w) for w in m.weights} for m in (smaller, model))
    assert shared == own


ON_JAX = """
from dataclasses import replace
import keras, numpy as np
from cifar_utils.data import load_cifar10
from cifar_utils.training import RECIPES, train
assert keras.backend.backend() == "jax"
data = load_cifar10("synthetic", val_size=50, limit=100)
for name in ("fast_cnn", "valid_cnn", "residual_cnn"):
    recipe = replace(RECIPES[name], batch_size=20, epochs=2)
    assert np.isfinite(train(recipe, data, verbose=0).history["val_loss"]).all()
"""


def test_recipes_run_on_jax():
    subprocess.run(
        [sys.executable, "-c", ON_JAX], env=os.environ | {"KERAS_BACKEND": "jax"}, check=True
    )


def test_too_few_images_are_refused(data):
    with pytest.raises(ValueError, match=r"128 training images, a batch. Received: 100 images"):
        train(replace(QUICK, batch_size=128), data, verbose=0)


@pytest.mark.parametrize("last", [0, 1])  # before the kill: of the small images, of whole ones
def test_small_images_at_first_then_whole_ones_train_the_same_weights(
    last, data, tmp_path, monkeypatch
):
    averaged = {"optimizer": "sgd", "lookahead": True, "learning_rate": 0.02}
    recipe = replace(QUICK, model="fast_cnn", sides=((0.4, 16),), **averaged)
    whole = train(recipe, data, verbose=0)
    state, on_epoch_end = tmp_path / "state.npz", TrainingState.on_epoch_end

    def interrupted(callback, epoch, logs=None):
        on_epoch_end(callback, epoch, logs)
        if epoch == last:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TrainingState, "on_epoch_end", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(recipe, data, resume=state, verbose=0)
    resumed = train(recipe, data, resume=state, verbose=0)
    assert len(whole.history["loss"]) == len(resumed.history["loss"]) == 3
    assert_equal(whole, resumed)
    assert whole.model.input.shape == (None, 32, 32, 3)
