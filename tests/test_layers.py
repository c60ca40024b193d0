"""Faster layers compute what Keras' own do."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from cifar_utils.fast.layers import FusedBatchNormalization, SmallMapConv2D, with_stock_layers
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


@pytest.mark.parametrize("shape", [(16, 5, 5, 6), (150, 6)], ids=["maps", "vectors"])
def test_offset_learns_faster_by_its_rate(shape, maps):
    x = tf.constant(maps.reshape(-1)[: np.prod(shape)].reshape(shape))
    moved = []
    for rate in (1.0, 64.0):
        layer = FusedBatchNormalization(scale=False, offset_rate=rate)
        before = layer(x, training=True)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x, training=True) ** 3) / 1000
        keras.optimizers.SGD(1e-3).apply(tape.gradient(loss, [layer.beta]), [layer.beta])
        moved.append(layer(x, training=True) - before)
    close(64 * moved[0], moved[1], 1e-3)
    assert float(tf.reduce_max(tf.abs(moved[0]))) > 1e-5
    assert FusedBatchNormalization.from_config(layer.get_config()).offset_rate == 64.0
    with pytest.raises(ValueError, match=r"offset_rate above 0. Received: 0"):
        FusedBatchNormalization(offset_rate=0)


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


def test_stock_copy_of_a_network_computes_the_same_with_layers_of_keras_alone():
    model = build_model("fast_cnn")
    x = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), "uint8")
    for keep in ((), (FusedBatchNormalization,)):
        copy = with_stock_layers(model, keep=keep)
        kinds = {type(layer) for layer in copy.layers}
        assert kinds & {FusedBatchNormalization, SmallMapConv2D} == set(keep)
        copy.set_weights(model.get_weights())  # the offsets are still 0, at any rate
        close(model(x), copy(x), TOLERANCE["float32"])
