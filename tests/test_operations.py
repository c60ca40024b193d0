"""Operations are those that TensorFlow's own profiler counts in a training step."""

from dataclasses import replace

import keras
import pytest
import tensorflow as tf
from tensorflow.python.framework import ops
from tensorflow.python.profiler.internal import flops_registry  # noqa: F401  tells what each costs

from cifar_utils.fast.progressive import at_side
from cifar_utils.models import build_model, list_models
from cifar_utils.operations import operations
from cifar_utils.recipes import RECIPES

COUNTED = "Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter", "MatMul"


def profiled(model):
    """What the profiler counts of convolutions and products in a step on one image."""

    @tf.function(autograph=False)
    def step(images):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(images, training=True) ** 2)
        return tape.gradient(loss, [v.value for v in model.trainable_variables])

    graph = step.get_concrete_function(tf.TensorSpec([1, *model.input.shape[1:]])).graph
    wanted = [tensor.op.name for tensor in graph.outputs]
    needed = tf.compat.v1.graph_util.extract_sub_graph(graph.as_graph_def(), wanted)
    total = 0
    for node in needed.node:
        if node.op in COUNTED:
            count = ops.get_stats_for_node_def(graph, node, "flops").value
            if "Backprop" in node.op and node.attr["padding"].s == b"VALID":
                # The profiler takes the inputs' area for that of the outputs.
                maps, kernel, upstream = graph.get_operation_by_name(node.name).inputs
                side = upstream.shape[1]
                of_maps = maps.shape[1] if "Filter" in node.op else side + kernel.shape[0] - 1
                count *= side**2 / of_maps**2
            total += count
    return total


@pytest.mark.parametrize("side", [32, 16])
@pytest.mark.parametrize("name", list_models())
def test_operations_are_those_of_the_profiler(name, side):
    model = build_model(name)
    if name.startswith("fast"):
        model.get_layer("whitening_conv").trainable = False
    try:
        smaller = at_side(model, side, share=False)
    except ValueError:
        assert (name, side) == ("valid_cnn", 16)
        return
    recipe = replace(RECIPES["valid_cnn"], epochs=1, batch_size=1, sides=((1.0, side),))
    ours = sum(operations(model, recipe, images=1).values())
    assert ours == pytest.approx(profiled(smaller), rel=0.002)


def test_a_training_costs_its_epochs_at_their_sides_and_whole_batches():
    model = build_model("fast_cnn")
    recipe = replace(RECIPES["fast_cnn"], epochs=4, batch_size=10, sides=((0.5, 16),))

    def cost(recipe, images=25):
        return sum(operations(model, recipe, images).values())

    small, whole = (cost(replace(recipe, sides=sides, epochs=2)) for sides in (((1.0, 16),), ()))
    assert cost(recipe) == small + whole and small < 0.21 * whole
    assert cost(recipe) == cost(recipe, 20) == 2 * cost(recipe, 10)


def test_operations_are_told_by_layer_also_for_models_that_share_one():
    counts = operations(build_model("valid_cnn"), RECIPES["valid_cnn"], images=64)
    assert list(counts)[:2] == ["stage1_conv1", "stage2_conv1"]
    # 30 x 30 places, 27 weights for 32 channels, two operations, forwards and for the kernel.
    assert counts["stage1_conv1"] == 10 * 64 * 900 * 27 * 32 * 2 * 2


def test_a_sequential_model_and_a_recipes_name_are_taken_and_others_refused():
    layers = [keras.layers.Conv2D(4, 3), keras.layers.Flatten(), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((8, 8, 3)), *layers])
    counts = operations(model, "valid_cnn", images=64)
    assert counts[layers[2].name] == 10 * 64 * 3 * 2 * 36 * 4 * 2
    first = keras.layers.Conv2D(4, 3, data_format="channels_first")
    for wrong, message in (
        ((None, "valid_cnn"), "built Keras model"),
        ((keras.Sequential([keras.Input((None, None, 3)), layers[0]]), "valid_cnn"), "one size"),
        ((model, "valid"), "Did you mean 'valid_cnn'"),
        ((model, None), "a Recipe, or the name of one"),
        ((keras.Sequential([keras.Input((3, 8, 8)), first]), "valid_cnn"), "with channels last"),
        ((model, "valid_cnn", 5), "images .*64 or more. Received: 5"),
    ):
        with pytest.raises(ValueError, match=message):
            operations(*wrong)
