"""The networks of the series, each whole, as layers of Keras.

:func:`build_model` puts the scaling of pixels in front of a network, so that it can be
neither forgotten nor done twice, and the logits, one per class, behind it. Since all layers are
Keras' own, ``summary()`` shows what every tutorial shows, and a saved network opens where
this package is not installed.

Four of the networks are public tutorials', rebuilt from their published layer tables; what
those leave open, dropout rates above all, is ours. Two are textbook ones, two are made for
speed. Each is a function of the scaled pixels ``x`` and of ``output``, which turns the last
features into logits. ``bn_momentum`` is the share of the old value that batch
normalisation's moving averages keep at each step.

To add a network, write its function and name it in ``_BUILDERS`` at the end. The tests then
ask for its parameter counts, for a recipe that trains it, and for its row in the README.
"""

import contextlib
import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from cifar_utils.checks import (
    check_choice,
    check_count,
    check_input_shape,
    check_number,
    check_pixels_left,
    expected,
)
from cifar_utils.data import IMAGE_SHAPE, NUM_CLASSES

Statistics = tuple[Sequence[float], Sequence[float]]

# A moving average over the last ten batches or so. Keras' default of 0.99 looks back
# over a hundred, and early in a short training those come from a different network.
BN_MOMENTUM = 0.9


def list_models() -> list[str]:
    """Names that :func:`build_model` takes. Taught in notebook 02.

    >>> "valid_cnn" in list_models() and "resnet20" in list_models()
    True
    """
    return list(_BUILDERS)


def build_model(
    name: str,
    *,
    num_classes: int = NUM_CLASSES,
    input_shape: tuple[int, int, int] = IMAGE_SHAPE,
    statistics: Statistics | None = None,
    **options: Any,
) -> keras.Model:
    """Build a network by its name. Taught in notebook 02.

    Parameters
    ----------
    name : str
        One of :func:`list_models`.
    num_classes : int
        How many logits the network returns, 2 at least. Apply ``keras.ops.softmax`` for
        probabilities, and train with ``from_logits=True``.
    input_shape : (rows, columns, channels)
        Of the images.
    statistics : (mean, std), optional
        Per channel, on the scale from 0 to 1, as ``data.channel_statistics`` gives them:
        pixels become z-scores. Without, they are scaled to [0, 1].
    **options
        Keyword arguments of the network's own function, such as ``dropout``.

    Returns
    -------
    keras.Model
        Uncompiled, in Keras' present dtype policy; no other of its global settings matters.
        Input: pixels from 0 to 255, shape ``(n, *input_shape)``, any real dtype.
        Output: logits, float32, shape (n, num_classes).

    Raises
    ------
    ValueError
        If there is no network of that name, the network has no such option, or an argument
        has a value that it can't have, such as a dropout rate of 1, statistics beyond 0 to 1,
        or images too small for the network.

    Examples
    --------
    >>> build_model("valid_cnn").count_params()
    297226
    >>> build_model("fast_cnn", num_classes=3, input_shape=(64, 48, 1)).output.shape
    (None, 3)
    """
    check_choice("model", name, _BUILDERS)
    num_classes = check_count("num_classes", num_classes, lowest=2)
    input_shape = check_input_shape(input_shape)
    for option, high in (("bn_momentum", 1.0), ("l2", math.inf)):
        if option in options:
            options[option] = check_number(option, options[option], 0, high, inside="[)")
    if not isinstance(options.get("shortcuts", True), bool):
        raise expected("shortcuts of True or False", repr(options["shortcuts"]))
    if not isinstance(options.get("activation", ""), str):
        raise expected("activation as the name of one of Keras'", repr(options["activation"]))
    if not np.iterable(options.get("widths", ())):
        raise expected("three widths", repr(options["widths"]))

    def output(features):
        # float32 also under mixed precision: a loss needs the digits.
        return layers.Dense(num_classes, dtype="float32", name="logits")(features)

    with keras_defaults():
        inputs = keras.Input(input_shape, name="pixels")
        scaled = _scaling(input_shape[2], statistics)(inputs)
        try:
            model = keras.Model(inputs, _BUILDERS[name](scaled, output, **options), name=name)
            check_pixels_left(model)
        except TypeError as error:
            if not re.search("unexpected keyword|multiple values", str(error)):
                raise
            raise expected(f"options that {name} has", error) from error
        except ValueError as error:
            if "zero or negative" not in str(error):  # as Keras says of sizes
                raise
            raise expected(
                f"images large enough for {name}", f"input_shape={input_shape}"
            ) from error
    return model


@contextlib.contextmanager
def keras_defaults(dtype_policy: str | None = None) -> Iterator[None]:
    """Keras' global settings as they are by themselves, until the block ends.

    Parameters
    ----------
    dtype_policy : str, optional
        Another one. Without, it stays as it is.

    Raises
    ------
    ValueError
        If there is no such policy.

    Examples
    --------
    >>> with keras_defaults():
    ...     keras.config.image_data_format()
    'channels_last'
    """
    defaults = {
        "floatx": "float32",
        "image_data_format": "channels_last",
        "max_epochs": None,
        "max_steps_per_epoch": None,
    }
    before = {name: getattr(keras.config, name)() for name in defaults}

    def put(settings):
        for name, value in settings.items():
            getattr(keras.config, f"set_{name}")(value)

    policy = keras.config.dtype_policy()
    try:
        put(defaults)
        try:
            keras.config.set_dtype_policy(dtype_policy or policy)
        except (ValueError, TypeError) as error:
            raise expected("precision as a Keras dtype policy", repr(dtype_policy)) from error
        yield
    finally:
        put(before)
        keras.config.set_dtype_policy(policy)


def linear(x, output):
    """One weight for each pixel, colour and class: logistic regression. Taught in notebook 01.

    30,730 parameters, all trainable.
    """
    return output(layers.Flatten(name="flatten")(x))


def plain_cnn(
    x,
    output,
    *,
    l2: float = 0.0,
    dropout: Sequence[float] = (0.2, 0.3, 0.4),
    bn_momentum: float = BN_MOMENTUM,
):
    """Six 3x3 convolutions in three stages of 32, 64 and 128 channels (s0, s1).

    309,290 parameters, 308,394 of them trainable.

    Parameters
    ----------
    l2 : float
        Weight of an L2 penalty on the convolutions' kernels; 0 for none.
    dropout : three floats
        Rates after the stages.
    """
    rates = _check_rates(dropout, 3)
    options = {"padding": "same", "activation": "relu"}
    for stage, (width, rate) in enumerate(zip((32, 64, 128), rates, strict=True), start=1):
        for i in (1, 2):
            penalty = keras.regularizers.L2(l2) if l2 else None
            name = f"stage{stage}_conv{i}"
            x = layers.Conv2D(width, 3, kernel_regularizer=penalty, name=name, **options)(x)
            x = layers.BatchNormalization(momentum=bn_momentum, name=f"stage{stage}_bn{i}")(x)
        x = layers.MaxPooling2D(name=f"stage{stage}_pool")(x)
        x = layers.Dropout(rate, name=f"stage{stage}_dropout")(x)
    x = layers.Flatten(name="flatten")(x)
    return output(x)


def dense_head_cnn(
    x,
    output,
    *,
    dropout: Sequence[float] = (0.2, 0.3, 0.4, 0.5),
    bn_momentum: float = BN_MOMENTUM,
):
    """The convolutions of ``plain_cnn`` under a head of dense layers (s2).

    Each convolution is followed by batch normalisation and then ReLU. The head holds
    88 % of the weights: Dense 1024, Dense 100, Dense 10.

    2,494,982 parameters, 2,491,838 of them trainable.

    Parameters
    ----------
    dropout : four floats
        Rates after the three stages and inside the head.
    """
    *rates, head_rate = _check_rates(dropout, 4)
    for stage, (width, rate) in enumerate(zip((32, 64, 128), rates, strict=True), start=1):
        for i in (1, 2):
            x = layers.Conv2D(width, 3, padding="same", name=f"stage{stage}_conv{i}")(x)
            x = layers.BatchNormalization(momentum=bn_momentum, name=f"stage{stage}_bn{i}")(x)
            x = layers.ReLU(name=f"stage{stage}_relu{i}")(x)
        x = layers.MaxPooling2D(name=f"stage{stage}_pool")(x)
        x = layers.Dropout(rate, name=f"stage{stage}_dropout")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(1024, activation="relu", name="head_dense1")(x)
    x = layers.BatchNormalization(momentum=bn_momentum, name="head_bn1")(x)
    x = layers.Dropout(head_rate, name="head_dropout")(x)
    x = layers.Dense(100, activation="relu", name="head_dense2")(x)
    x = layers.BatchNormalization(momentum=bn_momentum, name="head_bn2")(x)
    return output(x)


def valid_cnn(
    x,
    output,
    *,
    dropout: Sequence[float] = (0.2, 0.2, 0.2, 0.2),
    bn_momentum: float = BN_MOMENTUM,
):
    """Five convolutions without padding, so that the maps shrink: 30, 15, 13, … 1 (s3).

    297,226 parameters, 296,394 of them trainable.

    Parameters
    ----------
    dropout : four floats
        Rates after the three stages and in the head.
    """
    *rates, head_rate = _check_rates(dropout, 4)
    stages = ((32, 1, "valid"), (64, 2, "same"), (128, 2, "valid"))
    for stage, (width, depth, pool_padding) in enumerate(stages, start=1):
        for i in range(1, depth + 1):
            x = layers.Conv2D(width, 3, activation="relu", name=f"stage{stage}_conv{i}")(x)
            x = layers.BatchNormalization(momentum=bn_momentum, name=f"stage{stage}_bn{i}")(x)
        x = layers.MaxPooling2D(padding=pool_padding, name=f"stage{stage}_pool")(x)
        x = layers.Dropout(rates[stage - 1], name=f"stage{stage}_dropout")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(128, activation="relu", name="head_dense")(x)
    x = layers.Dropout(head_rate, name="head_dropout")(x)
    return output(x)


def residual_cnn(x, output, *, dropout: float = 0.0, bn_momentum: float = BN_MOMENTUM):
    """Three residual blocks of 128, 256 and 256 channels behind one convolution (s4).

    The source states 2,229,248 trainable parameters, which no network of its
    description with a biased ten-way output can have: all its other terms are
    multiples of 64, and that count leaves 0, not 10, when divided by 64. This is the
    natural reading: blocks of two convolutions, 1x1 projections where the width
    changes, batch normalisation after each addition.

    2,335,370 parameters, 2,333,962 of them trainable.

    Parameters
    ----------
    dropout : float
        Rate before the output layer.

    References
    ----------
    K. He et al., "Deep Residual Learning for Image Recognition", 2015, arXiv:1512.03385.
    """

    def conv(x, width, name):
        return layers.Conv2D(width, 3, padding="same", activation="relu", name=name)(x)

    def block(x, width, name):
        """Two convolutions and a way around them, added, then normalised."""
        shortcut = x
        if x.shape[-1] != width:
            shortcut = layers.Conv2D(width, 1, name=f"{name}_projection")(x)
        x = conv(conv(x, width, f"{name}_conv1"), width, f"{name}_conv2")
        x = layers.Add(name=f"{name}_add")([x, shortcut])
        return layers.BatchNormalization(momentum=bn_momentum, name=f"{name}_bn")(x)

    (rate,) = _check_rates(dropout, 1)
    x = conv(x, 64, "stage1_conv1")
    x = layers.BatchNormalization(momentum=bn_momentum, name="stage1_bn1")(x)
    x = layers.MaxPooling2D(name="stage1_pool")(x)
    x = block(x, 128, "stage2_block1")
    x = layers.MaxPooling2D(name="stage2_pool")(x)
    x = block(x, 256, "stage3_block1")
    x = block(x, 256, "stage3_block2")
    x = layers.MaxPooling2D(name="stage3_pool")(x)
    x = layers.GlobalAveragePooling2D(name="average_pool")(x)
    x = layers.Dropout(rate, name="head_dropout")(x)
    return output(x)


def resnet20(x, output, *, shortcuts: bool = True, bn_momentum: float = BN_MOMENTUM):
    """The residual network of 20 layers that its inventors trained on CIFAR-10.

    One convolution, then nine blocks of two: three each of 16, 32 and 64 channels. Where
    a block halves the map, its shortcut takes every second pixel and fills the new
    channels with zeros, so that shortcuts have no parameters.

    271,098 parameters, 269,722 of them trainable.

    Parameters
    ----------
    shortcuts : bool
        Without them it is the plain network of the same layers, ``plain20``.

    References
    ----------
    K. He et al., "Deep Residual Learning for Image Recognition", 2015,
    arXiv:1512.03385, section 4.2.
    """

    def conv_bn(x, width, stride, name):
        options = {"padding": "same", "use_bias": False, "kernel_initializer": "he_normal"}
        x = layers.Conv2D(width, 3, stride, name=f"{name}_conv", **options)(x)
        return layers.BatchNormalization(momentum=bn_momentum, name=f"{name}_bn")(x)

    x = layers.ReLU(name="stem_relu")(conv_bn(x, 16, 1, "stem"))
    for stage, width in enumerate((16, 32, 64), start=1):
        for block in (1, 2, 3):
            name, stride = f"stage{stage}_block{block}", 2 if stage > 1 and block == 1 else 1
            shortcut = x
            x = layers.ReLU(name=f"{name}_relu1")(conv_bn(x, width, stride, f"{name}_1"))
            x = conv_bn(x, width, 1, f"{name}_2")
            if shortcuts:
                if stride == 2:
                    channels = [width // 4, width // 4]
                    shortcut = ops.pad(shortcut[:, ::2, ::2], [[0, 0], [0, 0], [0, 0], channels])
                x = layers.Add(name=f"{name}_add")([x, shortcut])
            x = layers.ReLU(name=f"{name}_relu2")(x)
    x = layers.GlobalAveragePooling2D(name="average_pool")(x)
    return output(x)


def plain20(x, output, **options: Any):
    """``resnet20`` without its shortcuts: the same layers and parameters."""
    return resnet20(x, output, shortcuts=False, **options)


def fast_cnn(
    x,
    output,
    *,
    widths: tuple[int, int, int] = (32, 128, 128),
    activation: str = "relu",
    bn_momentum: float = BN_MOMENTUM,
):
    """A network made to learn quickly: whitening, three stages of two convolutions (ours).

    What makes it fast to train, beside its shape: a first layer that needs no training
    (``fast.whitening``), batch normalisation without scales, whose offsets the recipe lets
    learn quickly, and small logits at the start.

    498,690 parameters; recipes freeze the first layer, 312 of them.

    Parameters
    ----------
    widths : three ints
        Channels of the stages.
    activation : str
        Name of an activation of Keras. SiLU, which the recipes take, is a little better for the
        same operations.

    References
    ----------
    A small version of the network of K. Jordan, "94 % on CIFAR-10 in 3.29 Seconds on a
    Single GPU", 2024, arXiv:2404.00498.
    """

    def normalized(x, place):
        x = layers.BatchNormalization(momentum=bn_momentum, scale=False, name=f"{place}_bn")(x)
        return layers.Activation(activation, name=f"{place}_{activation}")(x)

    def conv(x, width, place):
        options = {"padding": "same", "use_bias": False, "name": f"{place}_conv"}
        return layers.Conv2D(width, 3, **options)(x)

    widths = [check_count("each of widths", width) for width in widths]
    if len(widths) != 3:
        raise expected("three widths", repr(widths))
    patterns = 2 * 2 * x.shape[-1]  # that a window of 2 x 2 can be made up of
    # Each with its negative.
    x = layers.Conv2D(2 * patterns, 2, activation=activation, name="whitening_conv")(x)
    for stage, width in enumerate(widths, start=1):
        x = conv(x, width, f"stage{stage}_1")
        x = layers.MaxPooling2D(name=f"stage{stage}_pool")(x)
        x = normalized(x, f"stage{stage}_1")
        x = normalized(conv(x, width, f"stage{stage}_2"), f"stage{stage}_2")
    x = layers.GlobalMaxPooling2D(name="max_pool")(x)
    return layers.Rescaling(1 / 9, dtype="float32", name="small_logits")(output(x))


def fast_cnn_large(x, output, **options: Any):
    """``fast_cnn`` with 64, 256 and 256 channels: 1,973,954 parameters."""
    return fast_cnn(x, output, **{"widths": (64, 256, 256)} | options)


def _scaling(channels: int, statistics: Statistics | None) -> layers.Layer:
    """The layer that scales pixels to [0, 1] or to z-scores."""
    if statistics is None:
        return layers.Rescaling(1 / 255, name="scaling")
    try:
        mean, std = ([float(value) for value in part] for part in statistics)
        fit = len(mean) == len(std) == channels and all(0 <= value <= 1 for value in mean)
    except (TypeError, ValueError):
        fit = False
    if not fit or not all(0 < value <= 1 for value in std):
        raise expected(
            f"statistics as a mean and a positive deviation for each of {channels} channels, on "
            "the scale from 0 to 1",
            repr(statistics),
        )
    scale = [1 / (255 * s) for s in std]
    offset = [-m / s for m, s in zip(mean, std, strict=True)]
    return layers.Rescaling(scale, offset, name="scaling")


def _check_rates(dropout: Sequence[float] | float, count: int) -> list[float]:
    """The dropout rates as a list; ValueError unless there are so many, from 0 to below 1."""
    rates = np.atleast_1d(dropout).tolist()
    if len(rates) != count:
        raise expected(f"{count} dropout rate(s)", repr(dropout))
    return [check_number("a dropout rate", rate, 0, 1, inside="[)") for rate in rates]


_BUILDERS: dict[str, Callable[..., keras.KerasTensor]] = {
    builder.__name__: builder
    for builder in (
        linear, plain_cnn, dense_head_cnn, valid_cnn, residual_cnn, resnet20, plain20,
        fast_cnn, fast_cnn_large,
    )
}  # fmt: skip
