"""Faster twins compute what Keras' own layers do, and share their weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from cifar_utils.fast.accelerate import FusedBatchNormalization, SmallMapConv2D, accelerate
from cifar_utils.models import build_model

TOLERANCE = {"float32": 2e-5, "mixed_bfloat16": 3e-2}


@pytest.fixture
def pair(request):
    """Keras' layer and ours, with the same weights."""
    options = {"momentum": 0.8, "dtype": keras.DTypePolicy(request.param)}
    layers = keras.layers.BatchNormalization(**options), FusedBatchNormalization(**options)
    rng = np.random.default_rng(1)
    weights = [rng.uniform(0.5, 1.5, 6).astype("float32") for _ in range(4)]
    for layer in layers:
        layer.build((None, 5, 5, 6))
        layer.set_weights(weights)
    return *layers, TOLERANCE[request.param]


@pytest.fixture
def maps():
    return np.random.default_rng(0).normal(2, 3, (16, 5, 5, 6)).astype("float32")


def close(a, b, tolerance):
    arrays = (np.asarray(tf.cast(x, "float32")) for x in (a, b))
    np.testing.assert_allclose(*arrays, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("pair", TOLERANCE, indirect=True)
def test_outputs_gradients_and_moving_statistics_are_those_of_keras(pair, maps):
    stock, fused, tolerance = pair
    x, out, grads = tf.constant(maps), [], []
    for layer in (stock, fused):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
            loss = tf.reduce_sum(tf.cast(y, "float32") ** 3) / 100
        out.append(y)
        grads.append(tape.gradient(loss, [x, *layer.trainable_weights]))
    assert out[0].dtype == out[1].dtype
    close(*out, tolerance)
    for a, b in zip(*grads, strict=True):
        scale = max(1.0, float(tf.reduce_max(tf.abs(a))))
        close(a / scale, b / scale, tolerance)
    for a, b in zip(stock.weights, fused.weights, strict=True):
        close(a, b, 1e-3 if tolerance > 1e-3 else 1e-5)
        assert a.dtype == b.dtype == "float32"


@pytest.mark.parametrize("pair", TOLERANCE, indirect=True)
def test_inference_uses_the_moving_statistics(pair, maps):
    stock, fused, tolerance = pair
    close(stock(maps, training=False), fused(maps, training=False), tolerance)
    fused.trainable = False  # a frozen layer doesn't learn in training either
    before = fused.get_weights()
    close(stock(maps, training=False), fused(maps, training=True), tolerance)
    for a, b in zip(before, fused.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_vectors_and_options_work_as_in_keras():
    x = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
    close(keras.layers.BatchNormalization()(x, training=True),
          FusedBatchNormalization()(x, training=True), 1e-6)  # fmt: skip
    maps = x.reshape(8, 2, 2, 4)
    options = {"scale": False, "center": False, "epsilon": 1e-2}
    stock = keras.layers.BatchNormalization(**options)
    close(stock(maps, training=True), FusedBatchNormalization(**options)(maps, training=True), 1e-5)


def test_model_with_the_layer_survives_a_file(tmp_path, maps):
    inputs = keras.Input((5, 5, 6))
    model = keras.Model(inputs, FusedBatchNormalization(momentum=0.7)(inputs))
    model(maps, training=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(maps, verbose=0), model.predict(maps, verbose=0))
    assert loaded.layers[1].momentum == 0.7


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize(("side", "window"), [(1, 3), (3, 3), (4, 5), (9, 3)])
def test_convolution_of_small_maps_is_that_of_keras(side, window, precision):
    x = tf.random.stateless_normal((20, side, side + 1, 12), (1, 2))
    found, kernel = [], None
    for kind in (keras.layers.Conv2D, SmallMapConv2D):
        layer = kind(10, window, padding="same", activation="relu", dtype=precision)
        layer.build(x.shape)
        kernel = layer.get_weights()[0] if kernel is None else kernel
        layer.set_weights([kernel, np.full(10, 0.1)])
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
            loss = tf.reduce_sum(tf.cast(y, "float32") ** 2)
        found.append([y, *tape.gradient(loss, [x, *layer.trainable_weights])])
    for expected, received in zip(*found, strict=True):
        assert expected.dtype == received.dtype
        scale = float(tf.reduce_max(tf.abs(expected)))
        close(expected / scale, received / scale, TOLERANCE[precision])


def test_kernel_gradient_of_small_maps_is_taken_by_a_convolution():
    def operations(side):
        layer = SmallMapConv2D(10, 3, padding="same", dtype="mixed_bfloat16")
        layer.build((20, side, side, 12))

        @tf.function
        def gradient(x):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(layer(x))
            return tape.gradient(loss, layer.trainable_weights)

        graph = gradient.get_concrete_function(tf.TensorSpec((None, side, side, 12))).graph
        return {a.type for a in graph.get_operations()} & {"Conv3D", "Conv2DBackpropFilter"}

    assert [operations(side) for side in (1, 8, 9)] == [
        {"Conv3D"}, {"Conv3D"}, {"Conv2DBackpropFilter"}
    ]  # fmt: skip


def kinds(model):
    return {type(layer).__name__ for layer in model.layers}


def computed(set_precision, precision, *, faster):
    """Outputs, gradients, statistics and outputs thereafter of a network, or of its twin."""
    x = tf.constant(np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3)), "float32")
    keras.utils.set_random_seed(0)
    set_precision(precision)
    model = build_model("fast_cnn")
    network = accelerate(model) if faster else model
    assert ("FusedBatchNormalization" in kinds(network)) == faster
    with tf.GradientTape() as tape:
        y = network(x, training=True)
        loss = tf.reduce_sum(y**2)
    gradients = tape.gradient(loss, network.trainable_weights)
    statistics = [w for w in model.non_trainable_weights if "moving" in w.name]
    return [np.asarray(a) for a in (y, *gradients, *statistics, network(x))]


def test_twin_has_the_outputs_gradients_and_statistics_of_its_model(set_precision):
    twin = computed(set_precision, "float32", faster=True)
    for a, b in zip(computed(set_precision, "float32", faster=False), twin, strict=True):
        close(a / abs(a).max(), b / abs(a).max(), 1e-3)


def test_twin_computes_in_bfloat16_as_exactly_as_its_model(set_precision):
    exact = computed(set_precision, "float32", faster=False)
    errors = [
        [np.linalg.norm(a - b) for a, b in zip(exact, rounded, strict=True)]
        for rounded in (
            computed(set_precision, "mixed_bfloat16", faster=faster) for faster in (False, True)
        )
    ]
    assert (np.array(errors[1]) < 1.5 * np.array(errors[0])).all()


def test_model_has_learned_what_its_twin_was_trained_on_and_stays_of_kerass_layers(maps):
    inputs = keras.Input((5, 5, 6))
    x = keras.layers.Conv2D(4, 3, padding="same", name="conv")(inputs)
    model = keras.Model(inputs, keras.layers.BatchNormalization(name="bn")(x), name="own")
    before = model.get_weights()
    twin = accelerate(model)
    assert (twin.name, twin.exchanged) == ("own", {"bn": "FusedBatchNormalization"})
    twin.compile("sgd", "mse")
    twin.train_on_batch(maps, maps[..., :4])
    assert all((a != b).any() for a, b in zip(before, model.get_weights(), strict=True) if b.any())
    close(model.predict(maps, verbose=0), twin.predict(maps, verbose=0), 1e-5)
    assert kinds(model) == {"InputLayer", "Conv2D", "BatchNormalization"}
    assert accelerate(twin).exchanged == {}


def test_layers_that_were_frozen_stay_so_and_can_be_thawed():
    model = build_model("fast_cnn")
    model.get_layer("stage1_1_bn").trainable = False
    twin = accelerate(model)
    trained = {id(w) for w in model.trainable_weights}
    assert trained == {id(w) for w in twin.trainable_weights}
    twin.get_layer("stage1_1_bn").trainable = True
    assert {id(w) for w in twin.trainable_weights} - trained == {
        id(model.get_layer("stage1_1_bn").beta)
    }
    inputs = keras.Input((32, 32, 3))
    outer = keras.Model(inputs, model(inputs))
    outer.trainable = False
    model.get_layer("stage1_1_bn").trainable = True  # thawed, for nothing: it is in a frozen model
    assert accelerate(outer).trainable_weights == [] == outer.trainable_weights
    thawed = [layer.name for layer in model.layers if layer.trainable]
    assert thawed == ["stage1_1_bn"]


class OwnNormalization(keras.layers.BatchNormalization):
    pass


class Subclass(keras.Model):
    def __init__(self):
        super().__init__()
        self.bn = keras.layers.BatchNormalization()

    def call(self, x, training=None):
        return self.bn(x, training=training)


def test_what_cannot_be_exchanged_is_left_alone(maps):
    inputs = keras.Input((5, 5, 6))
    x = keras.layers.BatchNormalization(axis=1)(inputs)
    x = OwnNormalization()(x)
    x = keras.layers.Conv2D(6, 3, strides=2, dtype="mixed_bfloat16")(x)
    x = Subclass()(x)
    x = keras.layers.BatchNormalization()(keras.layers.Flatten()(x))
    model = keras.Model(inputs, x)
    twin = accelerate(model)
    assert twin.exchanged == {} and kinds(twin) == kinds(model)


def test_layers_used_twice_and_models_inside_a_model_are_exchanged(maps):
    shared = keras.layers.BatchNormalization(name="shared")
    inner = keras.Sequential([keras.Input((5, 5, 6)), shared], name="inner")
    inputs = keras.Input((5, 5, 6))
    model = keras.Model(inputs, [inner(shared(inputs)), shared(inputs)])
    twin = accelerate(model)
    assert set(twin.exchanged) == {"shared", "inner/shared"}
    assert len(twin.weights) == len(model.weights) == 4
    for expected, received in zip(model(maps), twin(maps), strict=True):
        close(expected, received, 1e-5)


def test_networks_of_keras_can_be_accelerated():
    options = {"weights": None, "input_shape": (32, 32, 3), "classes": 10}
    model = keras.applications.MobileNetV2(alpha=0.35, **options)
    twin = accelerate(model)
    normalizing = [a for a in model.layers if isinstance(a, keras.layers.BatchNormalization)]
    assert list(twin.exchanged) == [layer.name for layer in normalizing]
    assert [layer.name for layer in twin.layers] == [layer.name for layer in model.layers]
    x = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype("float32")
    close(model(x), twin(x), 1e-5)


class Doubled(keras.Model):
    """A functional model, but for its call."""

    def __init__(self):
        inputs = keras.Input((5, 5, 6))
        super().__init__(inputs, keras.layers.BatchNormalization()(inputs))

    def call(self, x, training=None, mask=None):
        return 2 * super().call(x, training=training, mask=mask)


def test_model_that_is_compiled_has_a_twin_that_is_not(maps):
    inner = keras.Sequential([keras.Input((5, 5, 6)), keras.layers.BatchNormalization()])
    inputs = keras.Input((5, 5, 6))
    model = keras.Model(inputs, inner(inputs))
    for one in (inner, model):  # a loss that can't be made anew from its configuration
        one.compile("adam", loss=lambda y, x: keras.ops.mean((y - x) ** 2))
    model.train_on_batch(maps, maps)
    twin = accelerate(model)
    assert twin.exchanged and not twin.compiled and model.compiled and inner.compiled
    twin.compile(model.optimizer, "mse")
    twin.train_on_batch(maps, maps)
    assert int(model.optimizer.iterations) == 2


@pytest.mark.skipif(keras.__version__.startswith("3.13."), reason="it takes no input for an output")
def test_inputs_that_may_be_left_out_still_may(maps):
    one, other = keras.Input((5, 5, 6)), keras.Input((5, 5, 6), optional=True, name="other")
    own = keras.layers.BatchNormalization()(one)
    model = keras.Model([one, other], [own, other])
    twin = accelerate(model)
    assert [x.name for x in twin.inputs][1] == "other" and twin.exchanged
    close(model([maps, None])[0], twin([maps, None])[0], 1e-5)


@pytest.mark.parametrize(
    "model", [Subclass(), Doubled(), keras.Sequential([keras.layers.Flatten()]), "net"]
)
def test_what_is_no_network_of_layers_is_refused(model, maps):
    if isinstance(model, Subclass):
        model(maps)
    with pytest.raises(ValueError, match=r"Expected a (built|functional).*Received"):
        accelerate(model)
