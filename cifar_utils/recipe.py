"""What a recipe is: everything that decides how a network is trained, as data.

Who only reads recipes, such as the ledger's tables, needs no Keras.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from numbers import Real
from typing import TYPE_CHECKING

from cifar_utils.checks import check_count

if TYPE_CHECKING:
    import keras

SCHEDULES = ("constant", "cosine", "triangle")
OPTIMIZERS = ("adam", "rmsprop", "sgd")
NORMALIZATIONS = ("unit", "zscore")
INITIALIZATIONS = ("random", "whitening")
WHOLE = 32  # pixels a side of CIFAR-10's images


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides how a network is trained, but the data and the seed.

    Attributes
    ----------
    name, model : str
        The recipe's own name, and that of the network for ``models.build_model``.
    source : str
        Whose it is, and what in it the source leaves open.
    epochs, batch_size : int
    optimizer : {"adam", "rmsprop", "sgd"}
        ``"sgd"`` has Nesterov momentum 0.9.
    learning_rate : float
        The peak of the schedule.
    schedule : {"constant", "cosine", "triangle"}
        ``"cosine"`` falls from the peak to 0; ``"triangle"`` rises linearly from a
        fifth of the peak during the first fifth of all steps, then falls linearly to 0.
    weight_decay : float
        Decoupled: each step takes this share, times the learning rate, off the kernels.
    lookahead : bool
        Average the weights along the way, as ``optimizers.LookaheadSGD`` does.
    label_smoothing : float
        Share of the target probability that is spread over all classes.
    normalization : {"unit", "zscore"}
        Pixels to [0, 1], or z-scores with the training images' own statistics.
    augmentation : tuple of (name, amount)
        For ``augmentation.build_augmentation``.
    initialization : {"random", "whitening"}
        ``"random"`` is that of the layers; ``"whitening"`` is ``initialization.initialize``.
    sides : tuple of (share, side)
        Train on smaller images at first: until this share of the epochs, rounded, on
        images reduced to so many pixels a side, validation included; then on whole ones,
        for one epoch at least unless the share is 1.
        For networks that end in a pooling over the whole map, or flatten one whose
        side shrinks by the same whole factor.
    mixup : float
        Alpha of the beta distribution of mixup's weights; 0 for none.
    model_options : mapping
        Further keyword arguments for the network.

    Raises
    ------
    ValueError
        If an attribute is not one of the above, or two don't go together: lookahead without
        SGD, a whitening start without z-scores, mixup with alternating flips.
    """

    name: str
    model: str
    source: str
    epochs: int
    batch_size: int = 128
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    schedule: str = "constant"
    weight_decay: float = 0.0
    lookahead: bool = False
    label_smoothing: float = 0.0
    normalization: str = "unit"
    initialization: str = "random"
    augmentation: tuple[tuple[str, float], ...] = ()
    sides: tuple[tuple[float, int], ...] = ()
    mixup: float = 0.0
    model_options: Mapping = field(default_factory=dict)

    def __post_init__(self):
        for attribute, allowed in (
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
            ("normalization", NORMALIZATIONS),
            ("initialization", INITIALIZATIONS),
        ):
            if getattr(self, attribute) not in allowed:
                raise ValueError(
                    f"Expected {attribute} of {allowed}. Received: {getattr(self, attribute)!r}."
                )
        if self.lookahead and self.optimizer != "sgd":
            raise ValueError(
                f"Expected optimizer 'sgd' for lookahead. Received: {self.optimizer!r}."
            )
        for attribute, high in (
            ("learning_rate", 1e6), ("weight_decay", 1.0), ("label_smoothing", 1.0), ("mixup", 1e6),
        ):  # fmt: skip
            value = getattr(self, attribute)
            if not isinstance(value, Real) or not 0 <= value <= high:
                raise ValueError(
                    f"Expected {attribute} as a number from 0 to {high}. Received: {value!r}."
                )
        shares = [share for share, _ in self.sides]
        if shares != sorted({s for s in shares if 0 < s <= 1}) or any(
            side not in range(8, WHOLE + 1) for _, side in self.sides
        ):
            raise ValueError(
                "Expected sides as (share, side), shares rising from above 0 to 1 at most, "
                f"sides of 8 to 32 pixels. Received: {self.sides!r}."
            )
        if self.initialization == "whitening" and self.normalization != "zscore":
            raise ValueError(
                "Expected normalization 'zscore' for a whitening start, which takes the pixels' "
                f"mean for 0. Received: {self.normalization!r}."
            )
        if self.mixup and any(name == "crop_alternating_flip" for name, _ in self.augmentation):
            raise ValueError(
                "Expected no mixup with crop_alternating_flip, which knows an image by its "
                f"pixels. Received: mixup={self.mixup!r}."
            )
        for attribute in ("epochs", "batch_size"):
            check_count(attribute, getattr(self, attribute))

    def settings(self) -> dict:
        """What a ledger record holds of the recipe, as JSON gives it back.

        Attributes that are off (0 or empty) are left out, so that a recipe stays the
        same when recipes learn something new that it does not do.
        """
        plain = json.dumps(asdict(self), default=lambda array: array.tolist())
        return {key: value for key, value in json.loads(plain).items() if value}

    def phases(self) -> list[tuple[int, int, int]]:
        """As :func:`phases`, of this recipe."""
        return phases(self.epochs, self.sides)

    def build_optimizer(self, steps: int) -> "keras.optimizers.Optimizer":
        """The optimiser for a training of so many steps."""
        import keras

        from cifar_utils.fast.optimizers import LinearRise, LookaheadSGD

        rate = self.learning_rate
        if self.schedule == "cosine":
            rate = keras.optimizers.schedules.CosineDecay(rate, decay_steps=steps)
        elif self.schedule == "triangle":
            rise = max(1, steps // 5)
            rate = keras.optimizers.schedules.PolynomialDecay(rate, max(1, steps - rise), 0.0)
            rate = LinearRise(self.learning_rate / 5, rise, rate)
        decay = self.weight_decay or None
        if self.optimizer == "adam":
            optimizer = keras.optimizers.Adam(rate, weight_decay=decay)
        elif self.optimizer == "rmsprop":
            optimizer = keras.optimizers.RMSprop(rate, weight_decay=decay)
        else:
            options = {"momentum": 0.9, "nesterov": True, "weight_decay": decay}
            if self.lookahead:
                optimizer = LookaheadSGD(rate, steps=steps, **options)
            else:
                optimizer = keras.optimizers.SGD(rate, **options)
        if decay:
            optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        return optimizer


def phases(epochs: int, sides: Iterable[tuple[float, int]]) -> list[tuple[int, int, int]]:
    """First epoch, counted from 0, end and side of the images, for each phase of ``sides``."""
    found, first = [], 0
    for share, side in (*sides, (1.0, WHOLE)):
        end = epochs if share == 1 else min(round(share * epochs), epochs - 1)
        if end > first:
            found.append((first, end, side))
            first = end
    return found
