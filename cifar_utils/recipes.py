"""How each network of the series is trained: recipes, as data.

A recipe named like a network is its author's own, as far as published; what the source
leaves open is ours, and ``source`` says so. Recipes called ``…_tuned`` are our best
for the same network.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from cifar_utils.checks import unknown_name
from cifar_utils.recipe import Recipe

CLASSICAL = (("flip", 0.0), ("shift", 0.1), ("rotation", 15.0))
STOCK_BN = {"bn_momentum": 0.99}  # Keras' default, which the authors left as it is

_TUTORIALS = (
    Recipe(
        name="plain_cnn",
        model="plain_cnn",
        source="s0: flips and shifts inside the model; the number of epochs is ours",
        epochs=10,
        augmentation=(("flip", 0.0), ("shift", 0.1)),
        model_options=STOCK_BN,
    ),
    Recipe(
        name="plain_cnn_l2",
        model="plain_cnn",
        source="s1: z-scores, RMSprop, L2 penalty, augmentation, 60 epochs; amounts are ours",
        epochs=60,
        batch_size=64,
        optimizer="rmsprop",
        normalization="zscore",
        augmentation=CLASSICAL,
        model_options=STOCK_BN | {"l2": 1e-4},
    ),
    Recipe(
        name="dense_head_cnn",
        model="dense_head_cnn",
        source="s2, part one: no augmentation, 40 epochs; optimiser and batch size are ours",
        epochs=40,
        model_options=STOCK_BN,
    ),
    Recipe(
        name="dense_head_cnn_augmented",
        model="dense_head_cnn",
        source="s2, part two: with augmentation, 40 epochs at first; amounts are ours",
        epochs=40,
        augmentation=CLASSICAL,
        model_options=STOCK_BN,
    ),
    Recipe(
        name="valid_cnn",
        model="valid_cnn",
        source="s3: Adam, batches of 64, 10 epochs; dropout rates are ours",
        epochs=10,
        batch_size=64,
        model_options=STOCK_BN,
    ),
    Recipe(
        name="residual_cnn",
        model="residual_cnn",
        source="s4: rotation 15 degrees, shifts 10 %, flips; epochs and optimiser are ours",
        epochs=10,
        augmentation=CLASSICAL,
        model_options=STOCK_BN,
    ),
)
_RESNET20 = Recipe(
    name="resnet20",
    model="resnet20",
    source="after He et al. 2015: SGD, crop and flip; short, with a triangular rate",
    epochs=20,
    optimizer="sgd",
    learning_rate=0.1,
    schedule="triangle",
    weight_decay=5e-3,
    normalization="zscore",
    augmentation=(("crop_flip", 4.0),),
)
_DEEP = (
    _RESNET20,
    replace(_RESNET20, name="plain20", model="plain20", source="as resnet20, no shortcuts"),
)
_VALID_TUNED = Recipe(
    name="valid_cnn_tuned",
    model="valid_cnn",
    source="ours: whitening start, SGD with a triangular rate, smoothing, crop and flip",
    epochs=10,
    batch_size=256,
    optimizer="sgd",
    learning_rate=0.25,
    schedule="triangle",
    weight_decay=5e-3,
    label_smoothing=0.1,
    normalization="zscore",
    initialization="whitening",
    augmentation=(("crop_alternating_flip", 2.0),),
    model_options={"dropout": (0.0, 0.0, 0.1, 0.1)},
)
_PLAIN_TUNED = replace(
    _VALID_TUNED,
    name="plain_cnn_tuned",
    model="plain_cnn",
    source="ours: as valid_cnn_tuned, small images first, and lookahead",
    epochs=34,
    lookahead=True,
    augmentation=(("crop_alternating_flip", 4.0),),
    sides=((0.53, 16),),
    model_options={"dropout": (0.0, 0.0, 0.1)},
)
_TUNED = (
    _VALID_TUNED,
    _PLAIN_TUNED,
    replace(
        _PLAIN_TUNED,
        name="dense_head_cnn_tuned",
        model="dense_head_cnn",
        source="ours: as plain_cnn_tuned, with dropout in the head",
        model_options={"dropout": (0.0, 0.0, 0.1, 0.3)},
    ),
    replace(
        _PLAIN_TUNED,
        name="residual_cnn_tuned",
        model="residual_cnn",
        source="ours: as plain_cnn_tuned, more decay and smoothing, images of a third size",
        epochs=30,
        weight_decay=1e-2,
        label_smoothing=0.2,
        sides=((0.5, 16), (0.67, 24)),
        model_options={},
    ),
)
_FAST_CNN = replace(
    _VALID_TUNED,
    name="fast_cnn",
    model="fast_cnn",
    source="ours, after K. Jordan 2024, arXiv:2404.00498; small images first",
    epochs=23,
    learning_rate=0.4,
    weight_decay=9e-3,
    lookahead=True,
    label_smoothing=0.2,
    sides=((0.44, 16),),
    model_options={},
)
_FAST = (
    _FAST_CNN,
    replace(
        _FAST_CNN,
        name="fast_cnn_large",
        model="fast_cnn_large",
        epochs=24,
        sides=((0.42, 16),),
        augmentation=(("crop_alternating_flip", 4.0),),
    ),
)
RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {recipe.name: recipe for recipe in _TUTORIALS + _DEEP + _TUNED + _FAST}
)


def find_recipe(name: str) -> Recipe:
    """The recipe of that name; ValueError, with the names that are near, if there is none."""
    if name not in RECIPES:
        raise unknown_name("recipe", name, RECIPES)
    return RECIPES[name]
