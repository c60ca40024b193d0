"""What marks the evidence marks it, on networks whose evidence is known."""

import itertools
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers
from scipy.special import softmax

from cifar_utils import explain
from cifar_utils.pretrained import load_trained

SIDE, SQUARE = 24, 6


def planted(n, seed):
    """Grey noise with a square in one of three colours, which is the class; and where it is."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n, SIDE, SIDE, 1), dtype="uint8").repeat(3, axis=-1)
    labels, inside = rng.integers(0, 3, n), np.zeros((n, SIDE, SIDE), bool)
    for i, (top, left) in enumerate(rng.integers(0, SIDE - SQUARE + 1, (n, 2))):
        inside[i, top : top + SQUARE, left : left + SQUARE] = True
    images[inside] = np.repeat(20 + 220 * np.eye(3)[labels], SQUARE**2, axis=0)
    return images, labels, inside


@pytest.fixture(scope="module")
def network():
    """Trained on them. Its logits have no biases, so that no class is what the others are not."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(16, 3, padding="same", activation="relu", name="first"),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 3, padding="same", activation="relu", name="last"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, use_bias=False),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    images, labels, _ = planted(1000, seed=0)
    history = model.fit(images, labels, batch_size=50, epochs=12, verbose=0)
    assert history.history["accuracy"][-1] > 0.98
    return model


def built(*inner, shape=(8, 8, 3), functional=False):
    """A network of random weights."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input(shape), *inner])
    return keras.Model(model.inputs[0], model.outputs[0]) if functional else model


def small(*end, **options):
    """One convolution, then these layers, or else global average pooling and three logits."""
    inner = layers.Rescaling(1 / 255), layers.Conv2D(4, 3, name="conv")
    return built(*inner, *(end or head()), **options)


def head():
    return layers.GlobalAveragePooling2D(), layers.Dense(3)


IMAGES = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype="uint8")


@pytest.mark.parametrize("average", [True, False])
def test_grad_cam_marks_the_square_that_decides_the_class(network, average):
    images, labels, inside = planted(60, seed=1)
    heat = explain.grad_cam(network, images, average=average)
    assert heat.shape == (60, SIDE, SIDE) and heat.dtype.kind == "f"
    assert heat.min() == 0 and np.all(heat.max(axis=(1, 2)) == 1)
    peaks = [inside[i].ravel()[heat[i].argmax()] for i in range(60)]
    assert np.mean(peaks) > 0.9
    assert heat[inside].mean() > 2 * heat[~inside].mean()
    np.testing.assert_array_equal(heat, explain.grad_cam(network, images, labels, average=average))


def test_grad_cam_leaves_the_square_of_another_class_dark(network):
    images, labels, inside = planted(60, seed=1)
    assert explain.grad_cam(network, images, (labels + 1) % 3)[inside].mean() < 0.1


def test_occlusion_of_the_square_costs_the_probability(network):
    images, labels, inside = planted(30, seed=1)
    fall = explain.occlusion(network, images, size=6, stride=3)
    assert fall.shape == (30, SIDE, SIDE) and fall.min() >= -1 and fall.max() <= 1
    assert fall[inside].mean() > 10 * abs(fall[~inside]).mean()
    others = explain.occlusion(network, images, (labels + 1) % 3, size=6, stride=3)
    assert others[inside].mean() < 0  # another class gains


@pytest.mark.parametrize("average", [True, False])
def test_grad_cam_is_what_the_formula_says(average):
    """Behind global average pooling, a map's gradient is its weight in the dense layer."""
    model = small()
    (maps,) = explain.feature_maps(model, IMAGES).values()
    evidence = np.maximum(maps @ np.asarray(model.layers[-1].kernel)[:, 2], 0)
    size, small_size = (8, 8), evidence.shape[1:]
    assert small_size == (6, 6)
    resized = keras.ops.image.resize(evidence[..., None], size)[..., 0]
    largest = np.max(resized, axis=(1, 2), keepdims=True)
    heat = explain.grad_cam(model, IMAGES, 2, average=average, batch_size=2)
    np.testing.assert_allclose(heat, resized / np.where(largest > 0, largest, 1), atol=1e-5)


def test_a_class_that_nothing_speaks_for_has_no_heat():
    model = small(layers.ReLU(), *head())
    model.layers[-1].kernel.assign(-np.ones((4, 3)))
    assert not explain.grad_cam(model, IMAGES, 0).any()


def test_occlusion_is_what_a_loop_says():
    images = IMAGES[:2, :, :7]
    model = built(layers.Conv2D(4, 3), *head(), shape=(8, 7, 3))
    wanted, times = np.zeros((2, 8, 7)), np.zeros((8, 7))
    whole = softmax(model.predict(images, verbose=0), axis=1)
    for top, left in itertools.product((0, 2, 4, 5), (0, 2, 4)):
        for i in range(2):
            covered = images.copy()
            covered[i, top : top + 3, left : left + 3] = images[i].mean(axis=(0, 1))
            rest = softmax(model.predict(covered, verbose=0), axis=1)
            wanted[i, top : top + 3, left : left + 3] += whole[i, 1] - rest[i, 1]
        times[top : top + 3, left : left + 3] += 1
    fall = explain.occlusion(model, images, 1, size=3, stride=2)
    np.testing.assert_allclose(fall, wanted / times, atol=1e-5)


ENDS = {
    "softmax in the layer": [lambda: layers.Dense(3, activation="softmax")],
    "softmax layer": [lambda: layers.Dense(3), layers.Softmax],
    "softmax activation": [lambda: layers.Dense(3), lambda: layers.Activation("softmax")],
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("functional", [True, False])
def test_a_softmax_at_the_end_changes_nothing(end, functional):
    plain = small()
    pool = layers.GlobalAveragePooling2D()
    sure = small(pool, *(make() for make in end), functional=functional)
    sure.set_weights(plain.get_weights())
    before = sure.get_config(), sure.predict(IMAGES, verbose=0)
    for ask in (explain.grad_cam, explain.occlusion, explain.image_features):
        options = {"size": 4} if ask is explain.occlusion else {}
        found, wanted = (ask(model, IMAGES, **options) for model in (sure, plain))
        np.testing.assert_allclose(found, wanted, atol=1e-4)
    assert sure.get_config() == before[0]  # asking leaves the network as it was
    np.testing.assert_array_equal(sure.predict(IMAGES, verbose=0), before[1])


def test_paths_around_a_layer_are_told_of():
    keras.utils.set_random_seed(0)
    pixels = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", name="stem")(pixels)
    x = layers.Add(name="sum")([x, layers.Conv2D(4, 3, padding="same", name="branch")(x)])
    logits = layers.Dense(3)(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(pixels, logits)
    heat = explain.grad_cam(model, IMAGES)
    np.testing.assert_array_equal(heat, explain.grad_cam(model, IMAGES, layer="sum"))
    sure = keras.Model(pixels, keras.ops.softmax(logits))  # by an operation, not a layer
    np.testing.assert_array_equal(heat, explain.grad_cam(sure, IMAGES))
    with pytest.raises(ValueError, match=r"all paths .* meet in. Received: 'branch'.*addition"):
        explain.grad_cam(model, IMAGES, layer="branch")
    parts = [layers.Conv2D(4, 3, strides=2, padding="valid")(x), layers.MaxPooling2D(3, 2)(x)]
    parallel = keras.Model(pixels, head()[1](layers.Flatten()(layers.Concatenate()(parts))))
    heat = explain.grad_cam(parallel, IMAGES)  # of 3 x 3 maps; and the last larger ones
    np.testing.assert_array_equal(heat, explain.grad_cam(parallel, IMAGES, layer="sum"))


@pytest.mark.parametrize(
    ("name", "layer"), [("fast_cnn", "stage3_1_conv"), ("valid_cnn", "stage2_dropout")]
)
def test_by_default_maps_are_large_enough_to_say_where(name, layer):
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), "uint8")
    model = load_trained(name)
    heat = explain.grad_cam(model, images)
    np.testing.assert_array_equal(heat, explain.grad_cam(model, images, layer=layer))
    coarse = built(layers.Conv2D(4, 7), *head())  # maps of 2 x 2 alone
    assert explain.grad_cam(coarse, IMAGES).shape == (5, 8, 8)


def test_networks_of_half_precision_and_of_any_size(set_precision):
    set_precision("mixed_float16")
    model = built(layers.Conv2D(4, 3), *head(), shape=(None, None, 1))
    images = IMAGES[..., :1]
    assert explain.grad_cam(model, images).max() == 1
    assert explain.occlusion(model, images).dtype == np.float32
    assert explain.image_features(model, images).shape == (5, 4)


def test_filters_are_images_of_the_weights():
    model = small()
    kernel = np.asarray(model.get_layer("conv").kernel)
    filters = explain.first_filters(model)
    assert filters.shape == (4, 3, 3, 3) and filters.min() >= 0 and filters.max() <= 1
    for i in range(4):
        np.testing.assert_allclose(
            2 * filters[i] - 1, kernel[..., i] / abs(kernel[..., i]).max(), atol=1e-6
        )
    linear = built(layers.Flatten(), layers.Dense(10))
    templates = np.asarray(linear.layers[-1].kernel).T.reshape(10, 8, 8, 3)
    filters = explain.first_filters(linear)
    np.testing.assert_array_equal(np.sign(filters - 0.5), np.sign(templates))


@pytest.mark.parametrize(
    "inner", [[], [layers.MaxPooling2D, layers.Flatten, lambda: layers.Dense(3)]]
)
def test_filters_of_other_first_layers_are_refused(inner):
    model = built(*(make() for make in inner or [layers.GlobalMaxPooling2D]))
    with pytest.raises(ValueError, match=r"over the images' 3 channels. Received: .*kernel"):
        explain.first_filters(model)


def test_feature_maps_come_by_layer():
    model = small(layers.ReLU(name="relu"), *head())
    maps = explain.feature_maps(model, IMAGES, ["relu", "conv"], batch_size=2)
    assert list(maps) == ["relu", "conv"]
    assert maps["conv"].shape == (5, 6, 6, 4) and maps["conv"].dtype == np.float32
    np.testing.assert_array_equal(maps["relu"], np.maximum(maps["conv"], 0))
    assert list(explain.feature_maps(model, IMAGES)) == ["conv"]
    assert list(explain.feature_maps(model, IMAGES, "relu")) == ["relu"]
    with pytest.raises(ValueError, match=r"layer with maps of \['conv', 'relu'\].*'convv'.*Did"):
        explain.feature_maps(model, IMAGES, ["convv"])
    with pytest.raises(ValueError, match="Expected layers"):
        explain.feature_maps(model, IMAGES, [])


def test_features_are_what_the_logits_are_made_of():
    model = small()
    features = explain.image_features(model, IMAGES, batch_size=2)
    kernel, bias = model.layers[-1].get_weights()
    wanted = model.predict(IMAGES, verbose=0)
    np.testing.assert_allclose(features @ kernel + bias, wanted, atol=1e-4)
    convolutional = small(layers.Conv2D(3, 1), layers.GlobalAveragePooling2D())
    maps = explain.feature_maps(convolutional, IMAGES, "conv")["conv"]
    found = explain.image_features(convolutional, IMAGES)
    np.testing.assert_allclose(found, maps.mean(axis=(1, 2)), rtol=1e-5)


def test_neighbours_in_the_features_are_neighbours_on_the_map():
    rng = np.random.default_rng(0)
    group = np.arange(60) % 3
    features = 9 * np.eye(70)[group] + rng.normal(size=(60, 70))
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    places = explain.embed(features)
    assert places.shape == (60, 2) and np.isfinite(places).all()
    distances = np.linalg.norm(places[:, None] - places, axis=-1) + 1e9 * np.eye(60)
    assert np.mean(group[distances.argmin(axis=1)] == group) > 0.95
    np.testing.assert_array_equal(places, explain.embed(features, seed=0))
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    assert explain.embed(features[:4, :4]).shape == (4, 2)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.zeros((9, 3)), "4 at least"),
        (np.zeros((3, 9)), "4 at least"),
        (np.zeros((9, 9)), "differ between images"),
        (np.full((9, 9), np.nan), "NaN"),
        (np.zeros((9, 4, 4)), "dim 3"),
        ([[1, 2], [3]], "Received"),
        (None, "Received"),
    ],
)
def test_what_are_no_features_is_refused(features, message):
    with pytest.raises(ValueError, match=rf"(?s)Expected features.*{message}"):
        explain.embed(features)


class Subclass(keras.Model):
    def call(self, x):
        return x


def wrong_networks():
    """Networks that can't be explained, each with what its error says."""
    two = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
    both = layers.Dense(3)(layers.Flatten()(layers.Add()(two)))
    return [
        (Subclass(), "functional or Sequential.*Subclass"),
        (None, "functional or Sequential.*NoneType"),
        (keras.Sequential([layers.Flatten()]), r"Sequential with 0 and 0. Begin it with keras.In"),
        (keras.Model(two, both), "Functional with 2 and 1"),
        (built(layers.Conv2D(4, 3)), r"logits of two classes or more.*\(None, 6, 6, 4\)"),
        (small(layers.Flatten(), layers.Dense(1)), r"two classes or more.*\(None, 1\)"),
        (small(layers.Flatten(), layers.Dense(3, activation="sigmoid")), "in a sigmoid"),
        (built(layers.Dense(3), shape=(4,)), "from images to logits"),
    ]


@pytest.mark.parametrize("number", range(8))
def test_networks_that_are_no_plain_classifiers_are_refused(number):
    model, message = wrong_networks()[number]
    for ask in (explain.grad_cam, explain.occlusion, explain.feature_maps, explain.image_features):
        with pytest.raises(ValueError, match=rf"^Expected .*{message}"):
            ask(model, IMAGES)
    with pytest.raises(ValueError, match=rf"^Expected .*{message}"):
        explain.first_filters(model)


def test_networks_without_convolutions_have_no_maps():
    linear = built(layers.Flatten(), layers.Dense(3))
    for ask in (explain.grad_cam, explain.feature_maps):
        with pytest.raises(ValueError, match="Expected a network with convolutions"):
            ask(linear, IMAGES)
    assert explain.occlusion(linear, IMAGES).shape == (5, 8, 8)
    with pytest.raises(ValueError, match="made by a layer with a kernel"):
        explain.image_features(built(layers.GlobalAveragePooling2D()), IMAGES)


def test_networks_within_networks_are_seen_through():
    front = keras.Sequential([layers.RandomFlip("horizontal"), layers.Rescaling(1 / 255)])
    base = built(layers.Conv2D(4, 3, name="conv"), layers.ReLU(), functional=True)
    plain = small(layers.ReLU(), *head())
    model = built(front, base, keras.Sequential([*head(), layers.Softmax()]))
    model.set_weights(plain.get_weights())
    for ask in (explain.grad_cam, explain.image_features):
        np.testing.assert_allclose(ask(model, IMAGES), ask(plain, IMAGES), atol=1e-4)
    np.testing.assert_array_equal(explain.first_filters(model), explain.first_filters(plain))
    assert list(explain.feature_maps(model, IMAGES)) == ["conv"]
    with pytest.raises(ValueError, match="Expected images as a uint8 array"):
        explain.grad_cam(model, IMAGES / 255)


def test_a_network_that_grew_layer_by_layer_or_was_read_from_a_file(tmp_path):
    plain = small()
    grown = keras.Sequential()
    for layer in (keras.Input((8, 8, 3)), layers.Rescaling(1 / 255), layers.Conv2D(4, 3), *head()):
        grown.add(layer)
    grown.set_weights(plain.get_weights())
    grown.save(tmp_path / "grown.keras")
    for model in (grown, keras.saving.load_model(tmp_path / "grown.keras")):
        for ask in (explain.grad_cam, explain.image_features):
            np.testing.assert_allclose(ask(model, IMAGES), ask(plain, IMAGES), atol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": IMAGES[0]}, r"images\[None\]"),
        ({"images": IMAGES[:, :7]}, r"of shape \(8, 8, 3\), as the network takes.*\(7, 8, 3\)"),
        ({"images": IMAGES[..., :1]}, r"of shape \(8, 8, 3\), as the network takes"),
        ({"images": IMAGES / 255}, r"uint8.*\(255 \* images\)"),
        ({"images": IMAGES / 1.0}, r"uint8.*images.astype\('uint8'\)"),
        ({"classes": 3}, "labels from 0 to 2, of 3 classes"),
        ({"classes": [0, 1]}, "2 classes, 5 images"),
        ({"classes": 1.5}, "whole numbers"),
        ({"classes": "cat"}, "whole numbers"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
@pytest.mark.parametrize("ask", [explain.grad_cam, explain.occlusion])
def test_other_arguments_are_refused(ask, options, message):
    with pytest.raises(ValueError, match=rf"^Expected .*{message}"):
        ask(small(), **{"images": IMAGES} | options)


@pytest.mark.parametrize("options", [{"size": 9}, {"size": 2, "stride": 3}, {"stride": 0}])
def test_squares_that_do_not_cover_the_image_are_refused(options):
    with pytest.raises(ValueError, match=r"Expected .*stride"):
        explain.occlusion(small(), IMAGES, **options)


def test_a_network_that_diverged_is_told_of():
    model = small()
    model.layers[-1].kernel.assign(np.full((4, 3), np.nan))
    for ask in (explain.grad_cam, explain.occlusion):
        with pytest.raises(
            ValueError, match=r"finite numbers. Received: 100.0% of them not finite"
        ):
            ask(model, IMAGES)


def test_another_backend_is_named(monkeypatch):
    model = small()
    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    with pytest.raises(
        ValueError, match=r"TensorFlow or JAX, for gradients. Received: Keras on tor"
    ):
        explain.grad_cam(model, IMAGES)


ON_JAX = """
import sys, keras, numpy as np
from cifar_utils import explain
assert keras.config.backend() == "jax"
model, known = keras.saving.load_model(sys.argv[1]), np.load(sys.argv[2])
images = known["images"]
for name in ("grad_cam", "occlusion", "image_features"):
    np.testing.assert_allclose(getattr(explain, name)(model, images), known[name], atol=1e-3)
"""


def test_jax_gives_the_same(network, tmp_path):
    images, *_ = planted(6, seed=2)
    names = "grad_cam", "occlusion", "image_features"
    found = {name: getattr(explain, name)(network, images) for name in names}
    network.save(tmp_path / "network.keras")
    np.savez(tmp_path / "known.npz", images=images, **found)
    files = [tmp_path / "network.keras", tmp_path / "known.npz"]
    environment = os.environ | {"KERAS_BACKEND": "jax"}
    subprocess.run([sys.executable, "-c", ON_JAX, *files], env=environment, check=True)


def test_import_leaves_tensorflow_and_keras_out():
    code = (
        "import sys, cifar_utils.explain, cifar_utils.plotting; "
        "print(*{'tensorflow', 'keras', 'torch', 'jax'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
