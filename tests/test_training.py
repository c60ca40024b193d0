"""Recipes train, are repeatable, and give plain networks."""

import json
import os
import random
import subprocess
import sys
import time
import warnings
import zipfile
from dataclasses import replace
from functools import partialmethod
from pathlib import Path
from types import MappingProxyType

import keras
import numpy as np
import pytest

from cifar_utils import recipes, training
from cifar_utils.data import load_cifar10, split_images
from cifar_utils.evaluation import predict_probabilities
from cifar_utils.fast import pipeline
from cifar_utils.fast.resume import TrainingState
from cifar_utils.models import build_model, list_models
from cifar_utils.training import RECIPES, build_optimizer, train

QUICK = replace(RECIPES["valid_cnn"], name="quick", batch_size=20, epochs=3)


@pytest.fixture(autouse=True)
def in_float32(monkeypatch):
    """Unless a test says otherwise, on machines with bfloat16 units, too."""
    monkeypatch.setattr(training, "best_precision", lambda: "float32")


@pytest.fixture(scope="module")
def data():
    return load_cifar10("synthetic", val_size=50, limit=100)


@pytest.fixture(scope="module")
def trained(data):
    """Function (recipe's name): two short epochs, the first of small images if it has any.

    Without graphs, except for `fast_cnn`: these few steps take less time than to build one.
    """
    unvalidated = replace(data, x_val=data.x_val[:0], y_val=data.y_val[:0])
    runs = {}

    def run(name):
        if name not in runs:
            recipe = RECIPES[name].with_batch_size(50)
            compiled = partialmethod(keras.Sequential.compile, run_eagerly=name != "fast_cnn")
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(keras.Sequential, "compile", compiled)
                with warnings.catch_warnings():  # four steps of a long training may well diverge
                    warnings.simplefilter("ignore", UserWarning)
                    options = {"epochs": 2, "precision": "float32", "verbose": 0}
                    runs[name] = train(recipe, unvalidated, **options)
        return runs[name]

    return run


# Made by the code before faster layers were exchanged in training: see the test below.
WEIGHTS = json.loads(Path(__file__).with_name("weights_after_four_steps.json").read_text())


def sketch(weight):
    """The norm of a weight, and its product with random numbers, by the root of its size."""
    flat = np.asarray(weight, float).ravel()
    return np.linalg.norm(flat), flat @ np.random.default_rng(0).normal(size=flat.size) / (
        flat.size**0.5
    )


@pytest.mark.xdist_group("trained")
@pytest.mark.parametrize("name", RECIPES)
def test_recipe_trains_to_the_weights_that_it_always_did(name, trained):
    run = trained(name)
    assert list(map(len, run.history.values())) == [2] * len(run.history)
    assert {"loss", "accuracy", "seconds"} == set(run.history)
    assert np.isfinite(run.history["loss"]).all() and run.seconds > 0 < run.images_per_second
    assert (run.recipe.epochs, run.precision) == (2, "float32")
    found = [sketch(w) for w in run.model.variables if "seed" not in w.name]
    # Processors round differently, and Adam makes large steps of small gradients' signs.
    np.testing.assert_allclose(found, WEIGHTS[name], rtol=1e-2, atol=1e-2)


LOAD = """
import sys, keras, numpy as np
sys.modules["cifar_utils"] = None  # an import of it fails
images = np.load("images.npy")
for name in sys.argv[1:]:
    np.save(f"{name}.npy", keras.saving.load_model(f"{name}.keras")(images))
"""


@pytest.mark.xdist_group("trained")
def test_every_network_opens_after_training_where_this_package_is_not_installed(
    trained, data, tmp_path
):
    recipes = {RECIPES[name].model: name for name in RECIPES}
    assert set(recipes) == set(list_models())
    np.save(tmp_path / "images.npy", data.x_val)
    for name in recipes.values():
        trained(name).model.save(tmp_path / f"{name}.keras")
        with zipfile.ZipFile(tmp_path / f"{name}.keras") as file:
            assert b"cifar_utils" not in file.read("config.json")
    subprocess.run([sys.executable, "-c", LOAD, *recipes.values()], cwd=tmp_path, check=True)
    for name in recipes.values():
        outputs = trained(name).model(data.x_val)
        np.testing.assert_allclose(np.load(tmp_path / f"{name}.npy"), outputs, atol=1e-5)


def test_training_learns_the_stand_in():
    data = load_cifar10("synthetic", val_size=200, limit=600)
    recipe = replace(RECIPES["fast_cnn"], batch_size=50, sides=())
    assert train(recipe, data, epochs=4, verbose=0).history["val_accuracy"][-1] > 0.8


def test_the_seed_decides_everything(data, monkeypatch):
    eagerly = partialmethod(keras.Sequential.compile, run_eagerly=True)
    monkeypatch.setattr(keras.Sequential, "compile", eagerly)
    first, again, other = (
        train(QUICK, data, seed, epochs=1, verbose=0).model.get_weights() for seed in (1, 1, 2)
    )
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


def test_validation_figures_are_of_all_validation_images_once_and_cost_no_seconds(
    data, monkeypatch
):
    monkeypatch.setattr(pipeline, "EVALUATION_BATCH", 20)  # the 50 images in three batches
    monkeypatch.setattr(TrainingState, "on_test_batch_begin", lambda *_, **__: time.sleep(0.4))
    run = train(QUICK, data, epochs=3, verbose=0)
    probabilities = predict_probabilities(run.model, data.x_val)
    right = probabilities.argmax(axis=1) == data.y_val
    assert abs(run.history["val_accuracy"][-1] - right.mean()) < 1e-6
    loss = -np.log(probabilities[np.arange(50), data.y_val]).mean()
    assert abs(run.history["val_loss"][-1] - loss) < 1e-3
    assert max(run.history["seconds"][1:]) < 1  # validation rested for longer


@pytest.mark.parametrize("schedule", ["constant", "cosine", "triangle"])
def test_schedules(schedule):
    recipe = replace(QUICK, epochs=1, schedule=schedule, learning_rate=0.5)
    rate = build_optimizer(recipe, 100).learning_rate
    if schedule == "constant":
        assert float(rate) == 0.5
        return
    optimizer = build_optimizer(recipe, 100)
    rates = []
    for step in range(101):
        optimizer.iterations.assign(step)
        rates.append(float(optimizer.learning_rate))
    peak = 20 if schedule == "triangle" else 0
    assert np.argmax(rates) == peak and abs(rates[peak] - 0.5) < 1e-6 and rates[-1] < 1e-6
    assert np.all(np.diff(rates[peak:]) <= 1e-9)


def test_weight_decay_spares_biases_and_normalisation():
    recipe = replace(QUICK, optimizer="sgd", weight_decay=0.5, learning_rate=1.0)
    optimizer = build_optimizer(recipe, 10)
    kernel, bias = (keras.Variable(np.ones(3), name=name) for name in ("kernel", "bias"))
    optimizer.apply([np.zeros(3, "float32")] * 2, [kernel, bias])
    assert float(kernel[0]) == 0.5 and float(bias[0]) == 1


def test_precision_can_be_chosen_and_diverges_in_none(data):
    recipe = replace(RECIPES["fast_cnn"], batch_size=50, sides=())
    run = train(recipe, data, epochs=2, precision="mixed_bfloat16", verbose=0)
    assert run.model.get_layer("stage1_1_conv").compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == "float32"
    assert np.isfinite(run.history["loss"] + run.history["val_loss"]).all()


def test_no_epochs_are_refused_and_not_taken_for_the_recipes_own(data):
    with pytest.raises(ValueError, match=r"epochs.*Received: 0"):
        train(QUICK, data, epochs=0, verbose=0)


@pytest.mark.parametrize(("precision", "scaled"), [("mixed_float16", True), ("float32", False)])
def test_float16_is_trained_with_a_scaled_loss(precision, scaled, data, monkeypatch):
    class Reached(Exception):
        pass

    def fit(learner, *_, **__):
        raise Reached(type(learner.optimizer).__name__)

    monkeypatch.setattr(keras.Sequential, "fit", fit)
    with pytest.raises(Reached) as reached:
        train(QUICK, data, precision=precision, verbose=0)
    assert (str(reached.value) == "LossScaleOptimizer") == scaled


def test_labels_and_images_that_do_not_belong_together_are_refused(data):
    for change in (
        {"y_train": data.y_train - 1},
        {"y_train": data.y_train + 1},
        {"y_train": data.y_train[1:]},
        {"x_val": data.x_val[:0]},
    ):
        with pytest.raises(ValueError, match=r"Expected (labels|images|as many)"):
            train(QUICK, replace(data, **change), verbose=0)
    with pytest.raises(ValueError, match="Expected images as a uint8 array"):
        train(QUICK, replace(data, x_train=data.x_train / 255), verbose=0)


@pytest.mark.parametrize(("field", "wanted"), [("x_train", 64), ("x_val", 32)])
def test_images_of_two_sizes_are_refused_before_any_training(field, wanted, data, capsys):
    larger = np.repeat(np.repeat(getattr(data, field), 2, axis=1), 2, axis=2)
    with pytest.raises(ValueError, match=rf"shape \(n, {wanted}, {wanted}, 3\)"):
        train(QUICK, replace(data, **{field: larger}), verbose=2)
    assert "Epoch" not in capsys.readouterr().out


def test_images_too_small_for_the_network_are_refused_before_any_training(data, capsys):
    recipe = replace(QUICK, model="fast_cnn", sides=((0.4, 16), (0.7, 8)))
    with pytest.raises(ValueError, match=r"large enough for fast_cnn. Received: 8 x 8"):
        train(recipe, data, verbose=2)
    assert "Epoch" not in capsys.readouterr().out


@pytest.mark.parametrize("field", ["y_train", "y_val"])
def test_labels_in_another_form_are_refused(field, data):
    one_hot = np.eye(10, dtype="float32")[getattr(data, field)]
    with pytest.raises(ValueError, match=r"whole numbers of shape \(n,\).*10\) and dtype float32"):
        train(
            replace(QUICK, mixup=0.2, augmentation=()), replace(data, **{field: one_hot}), verbose=0
        )


@pytest.fixture
def quickly(monkeypatch):
    """Without graphs: a step or two take less time than to build one."""
    compiled = partialmethod(keras.Sequential.compile, run_eagerly=True)
    monkeypatch.setattr(keras.Sequential, "compile", compiled)


@pytest.mark.usefixtures("quickly")
def test_a_recipe_by_its_name_and_images_by_themselves_are_taken(data, monkeypatch):
    short = MappingProxyType({"quick": replace(QUICK, epochs=1)})
    monkeypatch.setattr(recipes, "RECIPES", short)
    x, y = data.x_train[:20], np.arange(20) % 10
    run = train("quick", (keras.ops.convert_to_tensor(x), list(y)), verbose=0)
    again = train(short["quick"], split_images(x, y, val_size=0), verbose=0)
    assert run.history["loss"] == again.history["loss"]


@pytest.mark.parametrize(
    ("recipe", "images", "message"),
    [
        ("valid_cn", "data", "Did you mean 'valid_cnn'"),
        (None, "data", "Expected a Recipe, or the name of one"),
        (QUICK, "arrays", "Make such data of your own images by split_images"),
        (QUICK, "no class 0", r"labels 0, 1, 2 ….*np.unique"),
        (QUICK, "pairs", "two pairs.*or by ImageData itself"),
        (QUICK, "one class", "two classes at least. Received: one, '0'"),
        (replace(QUICK, model_options={"droput": 0.1}), "data", "Expected options that valid_cnn"),
        (replace(QUICK, model_options={"bn_momentum": 2}), "data", "bn_momentum .*Received: 2"),
    ],
)
def test_what_is_no_recipe_or_no_data_is_refused(recipe, images, message, data):
    x, y = data.x_train, data.y_train
    given = {"data": data, "arrays": x, "no class 0": (x, y + 1)}
    given |= {"pairs": ((x, y), (x, y)), "one class": (x, 0 * y)}
    given = given[images]
    with pytest.raises(ValueError, match=message):
        train(recipe, given, verbose=0)


@pytest.mark.parametrize(("seed", "precision"), [(-1, None), (0.5, None), (0, "float31")])
def test_seeds_and_precisions_that_are_none_are_refused(seed, precision, data):
    with pytest.raises(ValueError, match=r"Expected (seed|precision).*Received: "):
        train(QUICK, data, seed, precision=precision, verbose=0)


@pytest.mark.usefixtures("quickly")
def test_no_global_setting_decides_a_training_and_none_is_changed(data, set_precision):
    recipe = replace(RECIPES["fast_cnn"], batch_size=50, model_options={"widths": (4, 8, 8)})
    weights = train(recipe, data, 3, epochs=2, verbose=0).model.get_weights()
    settings = {"floatx": "float16", "image_data_format": "channels_first",
                "max_epochs": 1, "max_steps_per_epoch": 1}  # fmt: skip
    before = {name: getattr(keras.config, name)() for name in settings}
    set_precision("mixed_bfloat16")
    random.seed(1), np.random.seed(1)  # noqa: NPY002
    drawn = random.Random(1).random(), np.random.RandomState(1).random()
    try:
        for name, value in settings.items():
            getattr(keras.config, f"set_{name}")(value)
        run = train(recipe, data, 3, epochs=2, verbose=0)
        assert {name: getattr(keras.config, name)() for name in settings} == settings
    finally:
        for name, value in before.items():
            getattr(keras.config, f"set_{name}")(value)
    assert (random.random(), np.random.random()) == drawn  # noqa: NPY002
    assert len(run.history["loss"]) == 2
    for a, b in zip(run.model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize("name", ["fast_cnn", "valid_cnn_tuned", "plain_cnn_tuned", "resnet20"])
@pytest.mark.parametrize("shape", [(48, 40, 3), (64, 64, 1)])
def test_images_of_ones_own_may_have_other_sizes_and_classes(name, shape):
    images = np.random.default_rng(0).integers(0, 256, (30, *shape), dtype="uint8")
    data = split_images(images, np.arange(30) % 3, ["ant", "bee", "fly"])
    recipe = replace(RECIPES[name], batch_size=8, learning_rate=1e-3)
    run = train(recipe, data, epochs=2, verbose=0)
    assert predict_probabilities(run.model, data.x_val).shape == (6, 3)
    assert np.isfinite(run.history["val_loss"]).all() and run.operations > 0


def test_the_network_tells_of_images_in_their_own_size_after_smaller_ones(trained):
    run = trained("fast_cnn_large")
    untrained = build_model("fast_cnn_large", **run.recipe.model_options)
    for layer in run.model.layers:
        assert layer.output.shape == untrained.get_layer(layer.name).output.shape
        assert len(layer._inbound_nodes) == 1


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize(("learned", "epochs"), [(0, 1), (1, 1), (1, 2), (2, 2)])
def test_offsets_of_the_whitening_layer_learn_until_they_are_frozen(learned, epochs, data):
    options = {"batch_size": 50, "sides": (), "whitening_epochs": learned, "optimizer": "muon"}
    recipe = replace(RECIPES["fast_cnn"], **options, model_options={"widths": (4, 8, 8)})
    model = train(recipe, data, epochs=epochs, verbose=0).model
    layer = model.get_layer("whitening_conv")
    kernel, bias = (np.asarray(w) for w in layer.get_weights())
    np.testing.assert_array_equal(kernel[..., :12], -kernel[..., 12:])  # as it was at the start
    assert bool(bias.any()) == (learned > 0) and not layer.trainable_weights
    if (learned, epochs) == (1, 2):
        once = train(replace(recipe, epochs=1), data, verbose=0).model
        np.testing.assert_allclose(bias, once.get_layer("whitening_conv").bias, rtol=1e-5)


@pytest.mark.usefixtures("quickly")
def test_a_training_that_diverges_is_told(data):
    recipe = replace(RECIPES["valid_cnn_tuned"], batch_size=10, learning_rate=50.0)
    with pytest.warns(UserWarning, match=r"diverged: its loss ended at .*smaller learning rate"):
        train(recipe, data, epochs=1, verbose=0)


def test_training_can_start_from_the_images(data):
    start = {"initialization": "whitening", "normalization": "zscore"}
    model = training._build(replace(QUICK, **start), data, "float32")
    kernel = model.get_layer("stage1_conv1").kernel
    np.testing.assert_array_equal(kernel[..., :16], -kernel[..., 16:])


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
    smaller = keras.Sequential(training._shown_at(model, side))
    assert smaller(data.x_val[:4]).shape == (4, 10)
    shared, own = ({id(w) for w in m.weights} for m in (smaller, model))
    assert shared == own


ON_JAX = """
from dataclasses import replace
import keras, numpy as np
from cifar_utils.augmentation import build_augmentation
from cifar_utils.data import load_cifar10
from cifar_utils.recipes import CLASSICAL
from cifar_utils.training import RECIPES, train
assert keras.backend.backend() == "jax"
data = load_cifar10("synthetic", val_size=0, limit=100)
run = train(replace(RECIPES["fast_cnn"], batch_size=50, sides=()), data, epochs=1, verbose=0)
assert np.isfinite(run.history["loss"]).all()
layers = [build_augmentation(CLASSICAL), keras.layers.Flatten(), keras.layers.Dense(10)]
learner = keras.Sequential(layers)
learner.compile("sgd", "mse")
assert learner.jit_compile, "the authors' recipes would run step by step"
learner.fit(data.x_train, np.eye(10)[data.y_train], batch_size=50, verbose=0)
"""


def test_recipes_are_compiled_on_jax():
    quickly = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    environment = os.environ | {"KERAS_BACKEND": "jax", "XLA_FLAGS": quickly}
    subprocess.run([sys.executable, "-c", ON_JAX], env=environment, check=True)


def test_too_few_images_are_refused(data):
    with pytest.raises(ValueError, match=r"128 training images, a batch. Received: 100 images"):
        train(replace(QUICK, batch_size=128), data, verbose=0)
