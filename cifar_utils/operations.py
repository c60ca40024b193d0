"""What a training costs: floating-point operations, which are the same on every machine."""

import math
from collections import Counter

import keras

from cifar_utils.checks import check_count, expected
from cifar_utils.fast.progressive import at_side
from cifar_utils.fast.whitening import WHITENING
from cifar_utils.recipes import Recipe, check_recipe

COUNTED = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)


def operations(model: keras.Model, recipe: Recipe | str, images: int = 50_000) -> dict[str, int]:
    """Floating-point operations of a training by a recipe, for each layer that has a kernel.

    Taught in notebook 06.

    Counted are the convolutions and dense layers, a multiplication and an addition as two
    operations: forwards, and backwards what the training needs of the gradients. The
    gradient of a kernel costs as much as the way forwards, unless it is frozen, and so does
    that of the layer's inputs, unless nothing below learns. All else, activations and
    normalisation, is left out, as is usual; it is some percent.

    Parameters
    ----------
    model : keras.Model
        Functional or sequential, and frozen where the training has it so: ``run.model``, for
        example. What a model inside of it costs is left out.
    recipe : Recipe or str
        Or its name. Says for how many epochs, and how large the images are in each.
    images : int
        Training images. Those that fill no whole batch are left out, as in training.

    Returns
    -------
    dict of str to int
        A layer's name and its operations, in the order of the network.

    Raises
    ------
    ValueError
        If the model is none of images of one size, or there are fewer images than a batch.

    Examples
    --------
    >>> from cifar_utils.models import build_model
    >>> from cifar_utils.recipes import RECIPES
    >>> cost = operations(build_model("valid_cnn"), RECIPES["valid_cnn"])
    >>> max(cost, key=cost.get), f"{sum(cost.values()) / 1e15:.3f} PFLOP"
    ('stage2_conv2', '0.030 PFLOP')
    """
    recipe = check_recipe(recipe)
    if not isinstance(model, keras.Model) or not model.built or len(_inputs(model)) != 1:
        raise expected("a built Keras model with one input", repr(model))
    if len(model.inputs[0].shape) != 4 or None in model.inputs[0].shape[1:]:
        raise expected("a model of images of one size", f"inputs of shape {model.inputs[0].shape}")
    seen = check_count("images", images, recipe.batch_size) // recipe.batch_size
    seen *= recipe.batch_size
    total = Counter()
    for first, end, side in recipe.phases():
        smaller = at_side(model, side, share=False)
        learns = WHITENING if first < recipe.whitening_epochs else ""
        for layer, count in _of_one_image(smaller, learns).items():
            total[layer] += (end - first) * seen * count
    return dict(total)


def _inputs(model: keras.Model) -> list:
    """None of a model of a class of one's own."""
    return getattr(model, "inputs", None) or []


def _of_one_image(model: keras.Model, offsets: str = "") -> dict[str, int]:
    """Operations of each layer in a step of training, for one image.

    Of a layer named by `offsets`, the bias learns, although it is frozen.
    """
    counts: Counter = Counter()
    learns: dict[int, bool] = {}  # whether a gradient has to go back to a tensor

    def visit(tensor: keras.KerasTensor) -> bool:
        if id(tensor) not in learns:
            layer, number, _ = tensor._keras_history
            inputs = layer._inbound_nodes[number].input_tensors if layer._inbound_nodes else []
            below = max(map(visit, inputs), default=False)  # all of them: each is counted
            if forwards := _forwards(layer, tensor):
                counts[layer.name] += forwards * (1 + layer.kernel.trainable + below)
            own = layer.name == offsets or bool(getattr(layer, "trainable_weights", ()))
            learns[id(tensor)] = below or own
        return learns[id(tensor)]

    for output in keras.tree.flatten(model.outputs):
        visit(output)
    return dict(counts)


def _forwards(layer: keras.layers.Layer, output: keras.KerasTensor) -> int:
    """Operations of one application of a layer to one image; 0 of what is not counted."""
    if type(layer).__name__ in ("SeparableConv2D", "Conv2DTranspose", "EinsumDense"):
        raise expected("layers whose operations are counted", type(layer).__name__)
    if not isinstance(layer, COUNTED):
        return 0
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise expected("a network with channels last", f"{layer.name} with channels first")
    return 2 * math.prod(output.shape[1:-1]) * math.prod(layer.kernel.shape)
