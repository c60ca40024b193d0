"""How each network of the series is trained: recipes, as data.

A recipe whose ``source`` begins with s0 to s4 is its author's own, as far as published; what
is not is ours, or Keras' default. Recipes called ``…_tuned`` are our best for the same
network.
"""

import copy
import functools
import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np

from cifar_utils.augmentation import check_transforms
from cifar_utils.checks import Named, check_choice, check_count, check_number, expected
from cifar_utils.fast.progressive import WHOLE
from cifar_utils.models import list_models

SCHEDULES = ("constant", "cosine", "triangle")
OPTIMIZERS = ("adam", "rmsprop", "sgd", "muon")
NORMALIZATIONS = ("unit", "zscore")
INITIALIZATIONS = ("random", "whitening")


class Options(dict):
    """Keyword arguments that nobody can change, so that no recipe changes another."""

    def __init__(self, options: Mapping = MappingProxyType({})):
        super().__init__({key: _frozen(value) for key, value in dict(options).items()})

    def _refuse(self, *_, **__) -> NoReturn:
        raise TypeError("A recipe does not change: make another by dataclasses.replace.")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self):  # for pickle and copy
        return Options, (dict(self),)

    def __hash__(self):
        return hash(frozenset(self))  # values may be lists


def _frozen(value: Any) -> Any:
    """A value that nobody can change: tuples for lists and arrays, Python's numbers."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return tuple(map(_frozen, value))
    return copy.deepcopy(value)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides how a network is trained, but the data and the seed.

    A recipe does not change: ``dataclasses.replace(RECIPES["fast_cnn"], epochs=5)`` makes
    another, and :meth:`with_batch_size` one for few images.

    Attributes
    ----------
    name, model : str
        The recipe's own name, and that of the network for ``models.build_model``.
    source : str
        Whose it is, and what in it the source leaves open.
    epochs, batch_size : int
    optimizer : {"adam", "rmsprop", "sgd", "muon"}
        ``"sgd"`` has Nesterov momentum. ``"muon"`` is ``fast.optimizers.Muon`` for the kernels
        of convolutions, and SGD for the rest.
    learning_rate : float
        The peak of the schedule.
    momentum : float
        Of SGD.
    muon_rate, muon_momentum : float
        Muon's: the peak of its rate, and its momentum.
    schedule : {"constant", "cosine", "triangle"}
        ``"cosine"`` falls from the peak to 0; ``"triangle"`` rises linearly from a
        fifth of the peak during the warm-up, then falls linearly to 0.
    warmup : float
        Share of all steps.
    weight_decay : float
        Decoupled: each step takes this share, times the learning rate, off the kernels.
    lookahead : bool
        Average the weights along the way, as ``fast.optimizers.LookaheadSGD`` does.
    offset_rate : float
        How many times faster the offsets of batch normalisation learn, with SGD.
    label_smoothing : float
        Share of the target probability that is spread over all classes.
    normalization : {"unit", "zscore"}
        Pixels to [0, 1], or z-scores with the training images' own statistics.
    augmentation : tuple of (name, amount)
        For ``augmentation.build_augmentation``.
    initialization : {"random", "whitening"}
        ``"random"`` is that of the layers; ``"whitening"`` is ``fast.whitening.initialize``.
    whitening_epochs : int
        For how many epochs a layer that does nothing but whiten learns its offsets, at the
        rate of the other offsets, falling to 0. Then it is frozen, as its kernel always is.
    sides : tuple of (share, side)
        Train on smaller images at first: until this share of the epochs, rounded, on
        images reduced from 32 to so many pixels a side (images of another size in the same
        proportion), validation included; then on whole ones, for one epoch at least unless
        the share is 1.
        For networks that end in a pooling over the whole map, or flatten one whose
        side shrinks by the same whole factor.
    mixup : float
        Alpha of the beta distribution of mixup's weights; 0 for none.
    model_options : mapping
        Further keyword arguments for the network. They are copied, and read-only.

    Raises
    ------
    ValueError
        If an attribute is not one of the above, or two don't go together: lookahead or faster
        offsets without SGD or Muon, a whitening start without z-scores, mixup with alternating
        flips.
    """

    name: str
    model: str
    source: str
    epochs: int
    batch_size: int = 128
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    momentum: float = 0.9
    muon_rate: float = 0.1
    muon_momentum: float = 0.6
    schedule: str = "constant"
    warmup: float = 0.2
    weight_decay: float = 0.0
    lookahead: bool = False
    offset_rate: float = 1.0
    label_smoothing: float = 0.0
    normalization: str = "unit"
    initialization: str = "random"
    whitening_epochs: int = 0
    augmentation: tuple[tuple[str, float], ...] = ()
    sides: tuple[tuple[float, int], ...] = ()
    mixup: float = 0.0
    model_options: Mapping = field(default_factory=dict)

    def __post_init__(self):
        put = functools.partial(object.__setattr__, self)  # as frozen dataclasses do it themselves
        for attribute, allowed in (
            ("model", list_models()),
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
            ("normalization", NORMALIZATIONS),
            ("initialization", INITIALIZATIONS),
        ):
            check_choice(attribute, getattr(self, attribute), allowed)
        for attribute, high in (
            ("learning_rate", 1e6), ("weight_decay", 1.0), ("mixup", 1e6),
        ):  # fmt: skip
            put(attribute, check_number(attribute, getattr(self, attribute), 0, high))
        put("label_smoothing", check_number("label_smoothing", self.label_smoothing, inside="[)"))
        put("offset_rate", check_number("offset_rate", self.offset_rate, 0, 1e6, inside="(]"))
        put("muon_rate", check_number("muon_rate", self.muon_rate, 0, 1e6, inside="(]"))
        for attribute in ("momentum", "muon_momentum", "warmup"):
            put(attribute, check_number(attribute, getattr(self, attribute), inside="[)"))
        put("whitening_epochs", check_count("whitening_epochs", self.whitening_epochs, lowest=0))
        for attribute in ("epochs", "batch_size"):
            put(attribute, check_count(attribute, getattr(self, attribute)))
        for attribute in ("name", "source"):
            if not isinstance(getattr(self, attribute), str):
                raise expected(f"{attribute} as text", repr(getattr(self, attribute)))
        if 0 < self.mixup < 0.1:
            raise expected("mixup of 0, or of 0.1 at least, below which Keras' draws underflow",
                           self.mixup)  # fmt: skip
        if not isinstance(self.lookahead, bool):
            raise expected("lookahead of True or False", repr(self.lookahead))
        if not isinstance(self.model_options, Mapping):
            raise expected("model_options as a mapping", repr(self.model_options))
        for attribute, value in (
            ("augmentation", check_transforms(self.augmentation)),
            ("sides", _check_sides(self.sides)),
            ("model_options", Options(self.model_options)),
        ):
            put(attribute, value)
        if (self.lookahead or self.offset_rate != 1) and self.optimizer not in ("sgd", "muon"):
            wanted = "optimizer 'sgd' or 'muon' for lookahead and faster offsets"
            raise expected(wanted, repr(self.optimizer))
        if self.initialization == "whitening" and self.normalization != "zscore":
            raise expected(
                "normalization 'zscore' for a whitening start, which takes the pixels' mean for 0",
                repr(self.normalization),
            )
        if self.mixup and any(name == "crop_alternating_flip" for name, _ in self.augmentation):
            raise expected(
                "no mixup with crop_alternating_flip, which knows an image by its pixels",
                f"mixup={self.mixup!r}",
            )

    def settings(self) -> dict:
        """What a ledger record holds of the recipe, as JSON gives it back.

        Attributes that are off (0 or empty), or were learned later and are as they had always
        been, are left out, so that a recipe stays the same when recipes learn something new
        that it does not do.
        """
        plain = json.loads(json.dumps(asdict(self), default=lambda array: array.tolist()))
        later = {"offset_rate": 1.0, "momentum": 0.9, "warmup": 0.2}
        if self.optimizer != "muon":
            later |= {"muon_rate": self.muon_rate, "muon_momentum": self.muon_momentum}
        return {key: value for key, value in plain.items() if value and value != later.get(key)}

    def with_batch_size(self, batch_size: int) -> "Recipe":
        """The same recipe in batches of another size, with the rates that suit them.

        Few images need small batches, or there are too few steps. SGD's rate changes in
        proportion, the others', of steps that don't grow with the gradient, by the root. Batch
        normalisation forgets an image as slowly as before.

        Examples
        --------
        >>> small = RECIPES["fast_cnn"].with_batch_size(50)
        >>> small.batch_size, small.learning_rate, round(small.muon_rate, 3)
        (50, 0.05, 0.03)
        """
        times = check_count("batch_size", batch_size) / self.batch_size
        rate = times if self.optimizer in ("sgd", "muon") else times**0.5
        options = dict(self.model_options)
        if "bn_momentum" in options:
            options["bn_momentum"] **= times
        return replace(
            self,
            batch_size=batch_size,
            learning_rate=self.learning_rate * rate,
            muon_rate=self.muon_rate * times**0.5,
            model_options=options,
        )

    def phases(self) -> list[tuple[int, int, int]]:
        """As :func:`phases`, of this recipe, and cut where the whitening layer is frozen."""
        found = []
        for first, end, side in phases(self.epochs, self.sides):
            cuts = sorted({first, end} | {self.whitening_epochs} & {*range(first, end)})
            found += [(a, b, side) for a, b in itertools.pairwise(cuts)]
        return found


def _check_sides(sides: Iterable[tuple[float, int]]) -> tuple[tuple[float, int], ...]:
    """Shares of the epochs, rising, and sides of images in pixels, as pairs; else ValueError."""
    try:
        pairs = tuple((share, side) for share, side in sides)
        shares = [check_number("a share", share, 0, 1, inside="(]") for share, _ in pairs]
        fit = all(check_count("a side", side, lowest=8) <= WHOLE for _, side in pairs)
    except (TypeError, ValueError):
        fit = False
    if not fit or shares != sorted(set(shares)):
        raise expected(
            "sides as (share, side), shares rising from above 0 to 1 at most, sides of 8 to 32 "
            "pixels",
            repr(sides),
        )
    return pairs


def phases(epochs: int, sides: Iterable[tuple[float, int]]) -> list[tuple[int, int, int]]:
    """First epoch, counted from 0, end and side of the images, for each phase of ``sides``."""
    found, first = [], 0
    for share, side in (*sides, (1.0, WHOLE)):
        end = epochs if share == 1 else min(round(share * epochs), epochs - 1)
        if end > first:
            found.append((first, end, side))
            first = end
    return found


CLASSICAL = (("flip", 0.0), ("shift", 0.1), ("rotation", 15.0))
STOCK_BN = {"bn_momentum": 0.99}  # Keras' default, which the authors left as it is

_TUTORIALS = (
    Recipe(
        name="plain_cnn",
        model="plain_cnn",
        source="s0: flips and shifts inside the model; epochs are ours, until it learns no more",
        epochs=60,
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
        learning_rate=1e-3,  # Adam's default
        model_options=STOCK_BN,
    ),
    Recipe(
        name="residual_cnn",
        model="residual_cnn",
        source="s4: rotation 15 degrees, shifts 10 %, flips; optimiser and epochs are ours, as s0",
        epochs=40,
        augmentation=CLASSICAL,
        model_options=STOCK_BN,
    ),
)
_LINEAR = Recipe(
    name="linear",
    model="linear",
    source="ours: logistic regression, as notebook 01 has it",
    epochs=10,
    optimizer="sgd",
    learning_rate=3e-3,
    schedule="cosine",
    weight_decay=5e-3,
    normalization="zscore",
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
    source="ours: whitening start, Muon with a triangular rate, smoothing, crop and flip",
    epochs=10,
    batch_size=256,
    optimizer="muon",
    learning_rate=0.125,
    muon_rate=0.103,
    schedule="triangle",
    warmup=0.1,
    weight_decay=5e-3,
    lookahead=True,
    offset_rate=8.0,
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
    source="ours: as valid_cnn_tuned, and small images first",
    epochs=34,
    warmup=0.2,
    lookahead=False,
    offset_rate=1.0,
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
        offset_rate=8.0,
        model_options={"dropout": (0.0, 0.0, 0.1, 0.3)},
    ),
    replace(
        _PLAIN_TUNED,
        name="residual_cnn_tuned",
        model="residual_cnn",
        source="ours: as plain_cnn_tuned, more decay, images of a third size",
        epochs=30,
        learning_rate=0.25,
        muon_rate=0.069,
        muon_momentum=0.8,
        offset_rate=8.0,
        weight_decay=1e-2,
        sides=((0.5, 16), (0.67, 24)),
        model_options={},
    ),
)
_FAST_CNN = Recipe(
    name="fast_cnn",
    model="fast_cnn",
    source="ours, after K. Jordan's airbench94_muon, 2024; SiLU, and small images first",
    epochs=12,
    batch_size=1000,
    optimizer="muon",
    learning_rate=1.0,
    muon_rate=0.136,
    muon_momentum=0.75,
    schedule="triangle",
    warmup=0.1,
    weight_decay=1e-2,
    offset_rate=53.0,
    label_smoothing=0.2,
    normalization="zscore",
    initialization="whitening",
    whitening_epochs=1,
    augmentation=(("crop_alternating_flip", 2.0),),
    sides=((0.42, 20),),
    # A short memory: longer averages lag behind Muon's large steps.
    model_options={"activation": "silu", "bn_momentum": 0.6},
)
_FAST = (
    _FAST_CNN,
    replace(
        _FAST_CNN,
        name="fast_cnn_large",
        model="fast_cnn_large",
        epochs=11,
        momentum=0.85,
        muon_rate=0.17,
        lookahead=True,
        whitening_epochs=3,
        sides=((0.45, 20),),
        model_options={"activation": "silu"},  # lookahead averages its steps
    ),
)


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    Named(
        "recipe",
        {recipe.name: recipe for recipe in (_LINEAR, *_TUTORIALS, *_DEEP, *_TUNED, *_FAST)},
    )
)


def check_recipe(recipe: Recipe | str) -> Recipe:
    """A recipe itself, or that of a name; else ValueError."""
    if isinstance(recipe, str):
        return RECIPES[recipe]
    if not isinstance(recipe, Recipe):
        raise expected("a Recipe, or the name of one", repr(recipe))
    return recipe
