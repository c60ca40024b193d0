"""How fast networks are trained: by this package, by stock Keras and by PyTorch.

All are fed with noise: their speed does not depend on what the pictures show. Each
measurement imports what it needs by itself, for it has a process of its own.
"""

import time
from dataclasses import replace

import numpy as np

BATCH = 256
EPOCHS = 2
NETWORK = "fast_cnn"
ALL_IMAGES = 45_000  # of whole recipes
S2_EPOCHS = 150


def noise(count: int) -> tuple[np.ndarray, np.ndarray]:
    """So many images of random pixels, uint8 (n, 32, 32, 3), and their random labels, (n,)."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, 32, 32, 3), "uint8"), rng.integers(0, 10, count)


def _train(images: int, name: str, **changes):
    """A recipe of ours on whole epochs, augmentation and weight average included."""
    from cifar_utils.data import Cifar10
    from cifar_utils.training import RECIPES, train

    x, y = noise(images)
    data = Cifar10(x, y, x[:0], y[:0], "noise", "")
    return train(replace(RECIPES[name], **changes), data, verbose=0)


def ours(images: int) -> float:
    """Images a second of the network's recipe, on whole images."""
    run = _train(images, NETWORK, epochs=1 + EPOCHS, batch_size=BATCH, sides=())
    return run.images_per_second


def keras_fit(
    images: int,
    *,
    own_input=False,
    keep: tuple[str, ...] = (),
    precision: str | None = "float32",
    activation="relu",
    frozen=False,
):
    """Images a second of ``fit``, on arrays or on a dataset without autotuner.

    Without a precision, in the machine's best; with the layers of ours whose names ``keep``
    has, the others stock Keras.
    """
    import keras

    from cifar_utils.fast import layers
    from cifar_utils.models import build_model
    from cifar_utils.training import best_precision

    keras.config.set_dtype_policy(precision or best_precision())
    model = build_model(NETWORK, activation=activation)
    model = layers.with_stock_layers(model, keep=tuple(getattr(layers, name) for name in keep))
    model.get_layer("whitening_conv").trainable = not frozen
    optimizer = keras.optimizers.SGD(0.01, 0.9, nesterov=True)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x, y = noise(images // BATCH * BATCH)
    return EPOCHS * len(x) / _seconds_of_fit(model, x, y, BATCH, own_input=own_input)


def _seconds_of_fit(model, x, y, batch: int, *, own_input: bool) -> float:
    """Seconds of a few epochs, after a first step, which builds the graph."""
    import tensorflow as tf

    from cifar_utils.fast.pipeline import untuned

    model.fit(x[:batch], y[:batch], batch, verbose=0)
    start = time.perf_counter()
    if own_input:
        dataset = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x)).batch(batch)
        model.fit(untuned(dataset), epochs=EPOCHS, shuffle=False, verbose=0)
    else:
        model.fit(x, y, batch, epochs=EPOCHS, verbose=0)
    return time.perf_counter() - start


def best_keras(images: int, **options) -> float | None:
    """As ``keras_fit`` in the machine's best precision, or None if that is float32."""
    from cifar_utils.training import best_precision

    if best_precision() == "float32":
        return None  # that would be the contestant before
    return keras_fit(images, own_input=True, precision=None, **options)


def torch_loop(images: int, compiled: bool = False, frozen: bool = False) -> float:
    """Images a second of the network in PyTorch: channels last, bfloat16 where there are units."""
    import torch
    from torch import nn

    from cifar_utils.models import build_model
    from cifar_utils.training import best_precision

    channels, modules = 3, []
    for layer in build_model(NETWORK).layers:
        kind = type(layer).__name__
        if kind in ("Conv2D", "SmallMapConv2D"):
            side, padding = layer.kernel_size[0], layer.padding
            bias, width = layer.use_bias, layer.filters
            modules.append(nn.Conv2d(channels, width, side, padding=padding, bias=bias))
            if layer.activation.__name__ == "relu":
                modules.append(nn.ReLU())
            channels = width
        elif kind == "FusedBatchNormalization":
            modules.append(nn.BatchNorm2d(channels, momentum=1 - layer.momentum))
        elif kind in TORCH_LAYERS:
            modules += [getattr(nn, name)(*options) for name, *options in TORCH_LAYERS[kind]]
        elif kind not in ("InputLayer", "Rescaling", "Dense"):
            raise ValueError(f"Expected layers that PyTorch has, too. Received: {kind}.")
    model = nn.Sequential(*modules, nn.Linear(channels, 10)).to(memory_format=torch.channels_last)
    modules[0].requires_grad_(not frozen)
    step_model = torch.compile(model) if compiled else model
    learning = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.SGD(learning, 0.01, 0.9, nesterov=True)
    x, y = noise(images // BATCH * BATCH)
    x = torch.from_numpy(x).permute(0, 3, 1, 2)
    y = torch.from_numpy(y)
    bfloat16 = best_precision() == "mixed_bfloat16"

    def epoch(rows):
        for batch in rows.split(BATCH):
            pixels = x[batch].to(memory_format=torch.channels_last).float() / 255
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                loss = nn.functional.cross_entropy(step_model(pixels), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    epoch(torch.arange(2 * BATCH))
    start = time.perf_counter()
    for _ in range(EPOCHS):
        epoch(torch.randperm(len(x)))
    return EPOCHS * len(x) / (time.perf_counter() - start)


TORCH_LAYERS = {
    "MaxPooling2D": [("MaxPool2d", 2)],
    "Activation": [("ReLU",)],
    "GlobalMaxPooling2D": [("AdaptiveMaxPool2d", 1), ("Flatten",)],
}


def whole_recipe(_: int, name: str = NETWORK, **changes) -> float:
    """Seconds of all epochs of a recipe of ours, the graphs' building included."""
    return _train(ALL_IMAGES, name, **changes).seconds


def _stock(recipe):
    """A recipe's network as a Keras user has it, its transforms in front, compiled."""
    import keras

    from cifar_utils.augmentation import build_augmentation
    from cifar_utils.fast.layers import with_stock_layers
    from cifar_utils.models import build_model

    transforms = build_augmentation(recipe.augmentation)
    model = keras.Sequential([transforms, with_stock_layers(build_model(recipe.model))])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(recipe.learning_rate), loss)
    return model


def stock_s3(_: int) -> float:
    """Seconds of all epochs of s3's recipe, on arrays, the graph's building included.

    The wait at the end of an epoch depends on how long the epoch took, so that two epochs
    don't tell how long ten will take.
    """
    from cifar_utils.recipes import RECIPES

    recipe = RECIPES["valid_cnn"]
    model = _stock(recipe)
    x, y = noise(ALL_IMAGES)
    start = time.perf_counter()
    model.fit(x, y, recipe.batch_size, epochs=recipe.epochs, verbose=0)
    return time.perf_counter() - start


def stock_s2(_: int) -> float:
    """Seconds of the epochs that s2's author names for 83 %, reckoned from a few without waits."""
    from cifar_utils.recipes import RECIPES

    recipe = RECIPES["dense_head_cnn_augmented"]
    seconds = _seconds_of_fit(_stock(recipe), *noise(ALL_IMAGES), recipe.batch_size, own_input=True)
    return S2_EPOCHS / EPOCHS * seconds
