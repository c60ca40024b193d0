"""The networks of the series, each a function that returns an uncompiled Keras model.

All of them take raw pixels, from 0 to 255, of shape (n, 32, 32, 3): scaling is the
model's first layer, so it can be neither forgotten nor done twice. All of them return
logits, one a class; apply ``keras.ops.softmax`` for probabilities, and train with
``from_logits=True``. Four of them are public tutorials' networks, rebuilt from their
published layer tables; what those leave open, dropout rates above all, is ours. Two
are textbook ones. Each takes ``bn_momentum``, the share of the old value that batch
normalisation's moving averages keep at each step.
"""

from collections.abc import Callable, Sequence

import keras
from keras import layers

from cifar_utils import blocks
from cifar_utils.checks import unknown_name
from cifar_utils.blocks import Statistics

# A moving average over the last ten batches or so. Keras' default of 0.99 looks back
# over a hundred, and early in a short training those come from a different network.
BN_MOMENTUM = 0.9

_BUILDERS: dict[str, Callable[..., keras.Model]] = {}


def _register(builder: Callable[..., keras.Model]) -> Callable[..., keras.Model]:
    _BUILDERS[builder.__name__] = builder
    return builder


def list_models() -> list[str]:
    """Names that :func:`build_model` takes.

    >>> "valid_cnn" in list_models() and "resnet20" in list_models()
    True
    """
    return list(_BUILDERS)


def build_model(name: str, **options) -> keras.Model:
    """Build a network by its name.

    Parameters
    ----------
    name : str
        One of :func:`list_models`.
    **options
        The keyword arguments of the function of that name.

    Returns
    -------
    keras.Model
        Uncompiled. Input: pixels from 0 to 255, shape (n, 32, 32, 3), any real dtype.
        Output: logits, shape (n, 10).

    Raises
    ------
    ValueError
        If there is no network of that name, or an option has a value that it can't have,
        such as a dropout rate of 1.

    Examples
    --------
    >>> build_model("valid_cnn").count_params()
    297226
    """
    if name not in _BUILDERS:
        raise unknown_name("model", name, _BUILDERS)
    return _BUILDERS[name](**options)


@_register
def plain_cnn(
    *,
    batch_norm: bool = True,
    l2: float = 0.0,
    statistics: Statistics | None = None,
    dropout: Sequence[float] = (0.2, 0.3, 0.4),
    bn_momentum: float = BN_MOMENTUM,
) -> keras.Model:
    """Six 3x3 convolutions in three stages of 32, 64 and 128 channels (s0, s1).

    Parameters
    ----------
    batch_norm : bool
        Batch normalisation after each ReLU.
    l2 : float
        Weight of an L2 penalty on the convolutions' kernels; 0 for none.
    statistics : (mean, std), optional
        Per channel, on the scale from 0 to 1, as ``channel_statistics`` gives them:
        pixels become z-scores. Without, they are scaled to [0, 1].
    dropout : three floats
        Rates after the stages.

    Returns
    -------
    keras.Model
        309,290 parameters, 308,394 of them trainable, with batch normalisation.
    """
    rates = blocks.check_rates(dropout, 3)
    inputs, x = blocks.scaled_input(statistics)
    for stage, (width, rate) in enumerate(zip((32, 64, 128), rates, strict=True), start=1):
        for i in (1, 2):
            x = blocks.conv(x, width, f"stage{stage}_conv{i}", activation="relu", l2=l2)
            if batch_norm:
                x = blocks.batch_norm(x, f"stage{stage}_bn{i}", bn_momentum)
        x = layers.MaxPooling2D(name=f"stage{stage}_pool")(x)
        x = layers.Dropout(rate, name=f"stage{stage}_dropout")(x)
    x = layers.Flatten(name="flatten")(x)
    return keras.Model(inputs, blocks.logits(x), name="plain_cnn")


@_register
def dense_head_cnn(
    *,
    statistics: Statistics | None = None,
    dropout: Sequence[float] = (0.2, 0.3, 0.4, 0.5),
    bn_momentum: float = BN_MOMENTUM,
) -> keras.Model:
    """The convolutions of ``plain_cnn`` under a head of dense layers (s2).

    Each convolution is followed by batch normalisation and then ReLU. The head holds
    88 % of the weights: Dense 1024, Dense 100, Dense 10.

    Parameters
    ----------
    statistics : (mean, std), optional
        As for :func:`plain_cnn`.
    dropout : four floats
        Rates after the three stages and inside the head.

    Returns
    -------
    keras.Model
        2,494,982 parameters, 2,491,838 of them trainable.
    """
    *rates, head_rate = blocks.check_rates(dropout, 4)
    inputs, x = blocks.scaled_input(statistics)
    for stage, (width, rate) in enumerate(zip((32, 64, 128), rates, strict=True), start=1):
        for i in (1, 2):
            x = blocks.conv(x, width, f"stage{stage}_conv{i}")
            x = blocks.batch_norm(x, f"stage{stage}_bn{i}", bn_momentum)
            x = layers.ReLU(name=f"stage{stage}_relu{i}")(x)
        x = layers.MaxPooling2D(name=f"stage{stage}_pool")(x)
        x = layers.Dropout(rate, name=f"stage{stage}_dropout")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(1024, activation="relu", name="head_dense1")(x)
    x = blocks.batch_norm(x, "head_bn1", bn_momentum)
    x = layers.Dropout(head_rate, name="head_dropout")(x)
    x = layers.Dense(100, activation="relu", name="head_dense2")(x)
    x = blocks.batch_norm(x, "head_bn2", bn_momentum)
    return keras.Model(inputs, blocks.logits(x), name="dense_head_cnn")


@_register
def valid_cnn(
    *,
    statistics: Statistics | None = None,
    dropout: Sequence[float] = (0.2, 0.2, 0.2, 0.2),
    bn_momentum: float = BN_MOMENTUM,
) -> keras.Model:
    """Five convolutions without padding, so that the maps shrink: 30, 15, 13, … 1 (s3).

    Parameters
    ----------
    statistics : (mean, std), optional
        As for :func:`plain_cnn`.
    dropout : four floats
        Rates after the three stages and in the head.

    Returns
    -------
    keras.Model
        297,226 parameters, 296,394 of them trainable.
    """
    *rates, head_rate = blocks.check_rates(dropout, 4)
    inputs, x = blocks.scaled_input(statistics)
    stages = ((32, 1, "valid"), (64, 2, "same"), (128, 2, "valid"))
    for stage, (width, depth, pool_padding) in enumerate(stages, start=1):
        for i in range(1, depth + 1):
            x = blocks.conv(x, width, f"stage{stage}_conv{i}", activation="relu", padding="valid")
            x = blocks.batch_norm(x, f"stage{stage}_bn{i}", bn_momentum)
        x = layers.MaxPooling2D(padding=pool_padding, name=f"stage{stage}_pool")(x)
        x = layers.Dropout(rates[stage - 1], name=f"stage{stage}_dropout")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(128, activation="relu", name="head_dense")(x)
    x = layers.Dropout(head_rate, name="head_dropout")(x)
    return keras.Model(inputs, blocks.logits(x), name="valid_cnn")


@_register
def residual_cnn(
    *,
    statistics: Statistics | None = None,
    dropout: float = 0.0,
    bn_momentum: float = BN_MOMENTUM,
) -> keras.Model:
    """Three residual blocks of 128, 256 and 256 channels behind one convolution (s4).

    The source states 2,229,248 trainable parameters, which no network of its
    description with a biased ten-way output can have: all its other terms are
    multiples of 64, and that count leaves 0, not 10, when divided by 64. This is the
    natural reading: blocks of two convolutions, 1x1 projections where the width
    changes, batch normalisation after each addition.

    Parameters
    ----------
    statistics : (mean, std), optional
        As for :func:`plain_cnn`.
    dropout : float
        Rate before the output layer.

    Returns
    -------
    keras.Model
        2,335,370 parameters, 2,333,962 of them trainable.

    References
    ----------
    K. He et al., "Deep Residual Learning for Image Recognition", 2015, arXiv:1512.03385.
    """
    inputs, x = blocks.scaled_input(statistics)
    x = blocks.conv(x, 64, "stage1_conv1", activation="relu")
    x = blocks.batch_norm(x, "stage1_bn1", bn_momentum)
    x = layers.MaxPooling2D(name="stage1_pool")(x)
    x = blocks.residual_block(x, 128, "stage2_block1", bn_momentum)
    x = layers.MaxPooling2D(name="stage2_pool")(x)
    x = blocks.residual_block(x, 256, "stage3_block1", bn_momentum)
    x = blocks.residual_block(x, 256, "stage3_block2", bn_momentum)
    x = layers.MaxPooling2D(name="stage3_pool")(x)
    x = layers.GlobalAveragePooling2D(name="average_pool")(x)
    x = layers.Dropout(*blocks.check_rates(dropout, 1), name="head_dropout")(x)
    return keras.Model(inputs, blocks.logits(x), name="residual_cnn")


@_register
def resnet20(
    *, statistics: Statistics | None = None, bn_momentum: float = BN_MOMENTUM
) -> keras.Model:
    """The residual network of 20 layers that its inventors trained on CIFAR-10.

    One convolution, then nine blocks of two: three each of 16, 32 and 64 channels. Where
    a block halves the map, its shortcut takes every second pixel and fills the new
    channels with zeros, so that shortcuts have no parameters.

    Parameters
    ----------
    statistics : (mean, std), optional
        As for :func:`plain_cnn`.

    Returns
    -------
    keras.Model
        271,098 parameters, 269,722 of them trainable.

    References
    ----------
    K. He et al., "Deep Residual Learning for Image Recognition", 2015,
    arXiv:1512.03385, section 4.2.
    """
    return blocks.he_network(statistics, bn_momentum, shortcuts=True)


@_register
def plain20(
    *, statistics: Statistics | None = None, bn_momentum: float = BN_MOMENTUM
) -> keras.Model:
    """``resnet20`` without its shortcuts: the same layers and parameters."""
    return blocks.he_network(statistics, bn_momentum, shortcuts=False)


@_register
def fast_cnn(
    *,
    statistics: Statistics | None = None,
    activation: str = "relu",
    bn_momentum: float = BN_MOMENTUM,
) -> keras.Model:
    """A network made to learn quickly: stages of 32, 128 and 128 channels (ours).

    Parameters
    ----------
    statistics : (mean, std), optional
        As for :func:`plain_cnn`.
    activation : str
        Of Keras. GELU is a little better for the same epochs, and takes more time.

    Returns
    -------
    keras.Model
        498,690 parameters; recipes freeze the first layer, 312 of them.

    References
    ----------
    A small version of the network of K. Jordan, "94 % on CIFAR-10 in 3.29 Seconds on a
    Single GPU", 2024, arXiv:2404.00498; see ``blocks.fast_network``.
    """
    return blocks.fast_network("fast_cnn", (32, 128, 128), statistics, activation, bn_momentum)


@_register
def fast_cnn_large(
    *,
    statistics: Statistics | None = None,
    activation: str = "relu",
    bn_momentum: float = BN_MOMENTUM,
) -> keras.Model:
    """``fast_cnn`` with 64, 256 and 256 channels: about two million parameters."""
    return blocks.fast_network(
        "fast_cnn_large", (64, 256, 256), statistics, activation, bn_momentum
    )
