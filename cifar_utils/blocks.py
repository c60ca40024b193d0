"""Building blocks of the networks: what two or more of them have in common."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers, ops

from cifar_utils.fast.layers import FusedBatchNormalization, SmallMapConv2D

IMAGE_SHAPE = (32, 32, 3)
NUM_CLASSES = 10
PATCH = 2  # side of the first windows of a fast network
OFFSET_RATE = 64.0
LOGIT_SCALE = 1 / 9

Statistics = tuple[Sequence[float], Sequence[float]]


def scaled_input(statistics: Statistics | None):
    """The model's input and the layer that scales it to [0, 1] or to z-scores."""
    inputs = keras.Input(IMAGE_SHAPE, name="pixels")
    if statistics is None:
        return inputs, layers.Rescaling(1 / 255, name="scaling")(inputs)
    parts = [[float(value) for value in part] for part in statistics]
    in_range = [0 <= m <= 1 for m in parts[0]] + [0 < s <= 1 for s in parts[-1]]
    if [len(part) for part in parts] != [3, 3] or not all(in_range):
        raise ValueError(
            "Expected statistics as three means and three positive deviations on the scale "
            f"from 0 to 1. Received: {statistics!r}."
        )
    mean, std = parts
    scale = [1 / (255 * s) for s in std]
    offset = [-m / s for m, s in zip(mean, std, strict=True)]
    return inputs, layers.Rescaling(scale, offset, name="scaling")(inputs)


def check_rates(dropout: Sequence[float], count: int) -> list[float]:
    """The dropout rates as a list; ValueError unless there are so many, from 0 to below 1."""
    rates = np.atleast_1d(dropout).tolist()
    if len(rates) != count or not all(0 <= rate < 1 for rate in rates):
        raise ValueError(
            f"Expected {count} dropout rate(s), from 0 to below 1. Received: {dropout!r}."
        )
    return rates


def conv(x, width: int, name: str, *, activation=None, padding: str = "same", l2: float = 0.0):
    penalty = keras.regularizers.L2(l2) if l2 else None
    return SmallMapConv2D(
        width, 3, padding=padding, activation=activation, kernel_regularizer=penalty, name=name
    )(x)


def batch_norm(x, name: str, momentum: float, **options):
    return FusedBatchNormalization(momentum=momentum, name=name, **options)(x)


def residual_block(x, width: int, name: str, bn_momentum: float):
    """Two convolutions and a way around them, added, then normalised."""
    shortcut = x
    if x.shape[-1] != width:
        shortcut = layers.Conv2D(width, 1, name=f"{name}_projection")(x)
    x = conv(x, width, f"{name}_conv1", activation="relu")
    x = conv(x, width, f"{name}_conv2", activation="relu")
    x = layers.Add(name=f"{name}_add")([x, shortcut])
    return batch_norm(x, f"{name}_bn", bn_momentum)


def logits(x):
    # float32 also under mixed precision: a loss needs the digits.
    return layers.Dense(NUM_CLASSES, dtype="float32", name="logits")(x)


def he_network(statistics: Statistics | None, bn_momentum: float, *, shortcuts: bool):
    """Twenty layers as in K. He et al., 2015, arXiv:1512.03385, section 4.2."""

    def conv_bn(x, width, stride, name):
        x = layers.Conv2D(
            width, 3, stride, padding="same", use_bias=False,
            kernel_initializer="he_normal", name=f"{name}_conv",
        )(x)  # fmt: skip
        return batch_norm(x, f"{name}_bn", bn_momentum)

    inputs, x = scaled_input(statistics)
    x = layers.ReLU(name="stem_relu")(conv_bn(x, 16, 1, "stem"))
    for stage, width in enumerate((16, 32, 64), start=1):
        for block in (1, 2, 3):
            name, stride = f"stage{stage}_block{block}", 2 if stage > 1 and block == 1 else 1
            shortcut = x
            x = layers.ReLU(name=f"{name}_relu1")(conv_bn(x, width, stride, f"{name}_1"))
            x = conv_bn(x, width, 1, f"{name}_2")
            if shortcuts:
                if stride == 2:
                    shortcut = ops.pad(
                        shortcut[:, ::2, ::2], [[0, 0], [0, 0], [0, 0], [width // 4] * 2]
                    )
                x = layers.Add(name=f"{name}_add")([x, shortcut])
            x = layers.ReLU(name=f"{name}_relu2")(x)
    x = layers.GlobalAveragePooling2D(name="average_pool")(x)
    return keras.Model(inputs, logits(x), name="resnet20" if shortcuts else "plain20")


def fast_network(
    name: str,
    widths: tuple[int, int, int],
    statistics: Statistics | None,
    activation: str,
    bn_momentum: float,
) -> keras.Model:
    """A whitening convolution, then three stages of two convolutions around a pooling.

    What makes it fast to train, beside its shape: a first layer that needs no training
    (see ``initialization``), batch normalisation whose offsets learn quickly and whose
    scales don't exist, and small logits at the start.

    References
    ----------
    K. Jordan, "94 % on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024, arXiv:2404.00498.
    """

    def normalized(x, place):
        x = batch_norm(x, f"{place}_bn", bn_momentum, scale=False, offset_rate=OFFSET_RATE)
        return layers.Activation(activation, name=f"{place}_{activation}")(x)

    def unbiased(x, width, place):
        return SmallMapConv2D(width, 3, padding="same", use_bias=False, name=f"{place}_conv")(x)

    inputs, x = scaled_input(statistics)
    filters = 2 * PATCH * PATCH * IMAGE_SHAPE[-1]  # each pattern and its negative
    x = layers.Conv2D(filters, PATCH, activation=activation, name="whitening_conv")(x)
    for stage, width in enumerate(widths, start=1):
        x = unbiased(x, width, f"stage{stage}_1")
        x = layers.MaxPooling2D(name=f"stage{stage}_pool")(x)
        x = normalized(x, f"stage{stage}_1")
        x = normalized(unbiased(x, width, f"stage{stage}_2"), f"stage{stage}_2")
    x = layers.GlobalMaxPooling2D(name="max_pool")(x)
    x = logits(x)
    x = layers.Rescaling(LOGIT_SCALE, dtype="float32", name="small_logits")(x)
    return keras.Model(inputs, x, name=name)
