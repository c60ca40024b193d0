"""Train a network by a recipe, so that it can be interrupted at any moment and go on.

What makes it fast is in ``fast/``; what decides how well a network learns, in ``recipes``.
"""

import contextlib
import math
import os
import random
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from cifar_utils.augmentation import AlternateFlips, build_augmentation
from cifar_utils.checks import check_images, check_labelled, check_names, check_seed, expected
from cifar_utils.data import ImageData, channel_statistics, fingerprint, split_images
from cifar_utils.fast.accelerate import accelerate
from cifar_utils.fast.machine import best_precision
from cifar_utils.fast.optimizers import SPARED, LinearRise, LookaheadSGD, Muon
from cifar_utils.fast.pipeline import steps_per_epoch, training_input, validation_input
from cifar_utils.fast.progressive import at_side
from cifar_utils.fast.resume import TrainingState
from cifar_utils.fast.whitening import WHITENING, initialize
from cifar_utils.models import build_model, keras_defaults
from cifar_utils.operations import operations
from cifar_utils.recipes import RECIPES, WHOLE, Recipe, check_recipe

__all__ = ["RECIPES", "Recipe", "Run", "best_precision", "build_optimizer", "train"]


@dataclass(frozen=True)
class Run:
    """What came of a training.

    Attributes
    ----------
    model : keras.Model
        As it is after the last epoch, of Keras' own layers: it can be saved, and loaded
        where this package is not installed. Takes pixels from 0 to 255 and returns logits. It
        is not compiled: judge it by ``evaluation.predict_probabilities``.
    recipe : Recipe
    seed : int
    history : dict of str to list of float
        A value an epoch: ``loss`` and ``accuracy``, measured during the epoch, with
        dropout and augmentation; ``val_loss`` and ``val_accuracy``, measured after it,
        without; ``seconds``, of training alone.
    seconds : float
        Wall-clock time of all epochs, the building of the graph included, validation not.
    images_per_second : float
        Over the epochs after the first, or over the only one; those on smaller images count
        like the others.
    precision : str
        The Keras dtype policy that the network was built with.
    operations : int
        Floating-point operations of the training: see ``operations.operations``.
    """

    model: keras.Model
    recipe: Recipe
    seed: int
    history: dict[str, list[float]]
    seconds: float
    images_per_second: float
    precision: str
    operations: int


def train(
    recipe: Recipe | str,
    data: ImageData | tuple[np.ndarray, np.ndarray],
    seed: int = 0,
    *,
    epochs: int | None = None,
    precision: str | None = None,
    resume: str | os.PathLike | None = None,
    verbose: str | int = "auto",
) -> Run:
    """Train a new network by a recipe. Taught in notebook 03.

    Parameters
    ----------
    recipe : Recipe or str
        For example ``RECIPES["valid_cnn"]``, or its name; ``list(RECIPES)`` has all of them.
        With some hundred images, begin with ``RECIPES["fast_cnn"].with_batch_size(16)``.
    data : ImageData or (images, labels)
        Training images and, if there are any, validation images: CIFAR-10's from
        ``load_cifar10``, your own from ``split_images``, of any size and number of classes.
        Labels are class numbers under mixup and smoothing, too.
    seed : int
        Decides the initial weights, the order of the images and all random transforms. It
        is also set as the global seed of Keras and its backend; those of Python and NumPy, and
        all other global settings, are left as they were, and decide nothing.
    epochs : int, optional
        Instead of the recipe's; schedules are stretched to them.
    precision : str, optional
        A Keras dtype policy; without, :func:`best_precision`.
    resume : path, optional
        A file in which the state is kept after each epoch. If it is there already, of
        the same training, the training goes on after the last epoch in it, and ends
        with the weights that it would have had without the interruption.
    verbose : "auto", 0, 1 or 2
        As for ``keras.Model.fit``.

    Returns
    -------
    Run

    Raises
    ------
    ValueError
        If there are fewer images than a batch, no epochs, images in another form than uint8
        pixels of shape (n, height, width, 1 or 3), labels in another than class numbers, images
        that are, or that the recipe makes, too small for its network, there is no such recipe
        or precision, or the file is of another training or can't be written.

    Examples
    --------
    Images of your own, 48 x 48 pixels in three classes:

    >>> rng = np.random.default_rng(0)
    >>> images = rng.integers(0, 256, (60, 48, 48, 3), dtype="uint8")
    >>> data = split_images(images, np.arange(60) % 3, ["ant", "bee", "fly"])
    >>> recipe = RECIPES["fast_cnn"].with_batch_size(16)
    >>> run = train(recipe, data, epochs=1, verbose=0)
    >>> run.model.input_shape, run.model.output_shape
    ((None, 48, 48, 3), (None, 3))
    """
    recipe = check_recipe(recipe)
    recipe = recipe if epochs is None else replace(recipe, epochs=epochs)
    data, seed = _checked(data), check_seed(seed)
    steps_per_epoch(data.x_train, recipe.batch_size)  # raises if there is none
    precision = precision or best_precision()
    if not isinstance(resume, (str, os.PathLike, type(None))) or resume == "":
        raise expected("resume as a path", repr(resume))
    with keras_defaults("float32"), _seeded(seed):
        return _train(recipe, data, seed, precision, Path(resume) if resume else None, verbose)


def _checked(data: ImageData | tuple) -> ImageData:
    """The data as arrays; ValueError unless images, labels and names belong together."""
    hint = "Make such data of your own images by split_images, or by ImageData itself."
    if isinstance(data, (tuple, list)) and len(data) == 2:
        if isinstance(data[1], (tuple, list)) and data[1] and np.ndim(data[1][0]) > 1:
            raise expected("ImageData, or (images, labels)", "two pairs", hint)
        data = split_images(*data, val_size=0)
    if not isinstance(data, ImageData):
        raise expected("ImageData, or (images, labels)", type(data).__name__, hint)
    names, x_train = check_names(data.class_names), check_images(data.x_train)
    form = len(names), x_train.shape[1:]
    x_train, y_train = check_labelled(x_train, data.y_train, *form)
    if len(names) < 2:
        raise expected("images of two classes at least", f"one, {names[0]!r}")
    x_val, y_val = x_train[:0], y_train[:0]
    if any(part is not None and len(part) for part in (data.x_val, data.y_val)):
        x_val, y_val = check_labelled(data.x_val, data.y_val, *form)
    return replace(data, x_train=x_train, y_train=y_train, x_val=x_val, y_val=y_val)


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Keras and its backend with this seed; Python's and NumPy's generators as they were."""
    before = random.getstate(), np.random.get_state()  # noqa: NPY002
    keras.utils.set_random_seed(seed)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002


def _train(
    recipe: Recipe,
    data: ImageData,
    seed: int,
    precision: str,
    resume: Path | None,
    verbose: str | int,
) -> Run:
    steps = steps_per_epoch(data.x_train, recipe.batch_size)
    model = _build(recipe, data, precision)
    image_shape, num_classes = data.x_train.shape[1:], len(data.class_names)
    augmentation = build_augmentation(recipe.augmentation, seed, image_shape)
    loss = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=recipe.label_smoothing
    )

    settings = {key: value for key, value in recipe.settings().items() if key != "source"}
    identity = settings | {
        "seed": seed,
        "precision": precision,
        "backend": keras.backend.backend(),
        "data": fingerprint(data.x_train, data.y_train),
        "images": len(data.x_train),
        "validation": fingerprint(data.x_val, data.y_val) if len(data.x_val) else None,
    }
    state = TrainingState(resume, identity)
    callbacks = [state]
    if any(name == "crop_alternating_flip" for name, _ in recipe.augmentation):
        callbacks.append(AlternateFlips(augmentation))
    one_hot = np.eye(num_classes, dtype="float32")
    batches = {"batch_size": recipe.batch_size, "seed": seed, "mixup": recipe.mixup}
    whitening = [layer for layer in model.layers if layer.name == WHITENING]
    for layer in whitening:
        layer.trainable = recipe.whitening_epochs > 0
        layer.kernel.trainable = False
    # All networks first: an error after some epochs would come too late.
    networks = {side: _shown_at(model, side) for _, _, side in recipe.phases()}
    optimizer = None
    for first, end, side in recipe.phases():
        if end <= state.epochs_done and end < recipe.epochs:
            continue  # before the interruption
        for layer in whitening:
            layer.bias.trainable = first < recipe.whitening_epochs
        optimizer = _built(build_optimizer(recipe, steps), model, precision, before=optimizer)
        learner = keras.Sequential([augmentation, *networks[side]], name="learner")
        learner.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])
        state.restore(learner)
        if state.epochs_done < end:
            learner.fit(
                training_input(
                    data.x_train, one_hot[data.y_train], first_epoch=state.epochs_done, **batches
                ),
                epochs=end,
                initial_epoch=state.epochs_done,
                steps_per_epoch=steps,
                **validation_input(data.x_val, one_hot[data.y_val]),
                callbacks=callbacks,
                shuffle=False,
                verbose=verbose,
            )
    for layer in whitening:
        layer.trainable = False
    steady = state.history["seconds"][1:] or state.history["seconds"]
    speed = steps * recipe.batch_size * len(steady) / sum(steady)
    seconds = sum(state.history["seconds"])
    cost = sum(operations(model, recipe, len(data.x_train)).values())
    end, chance = state.history["loss"][-1], math.log(num_classes)
    if not end < 3 * chance:
        warnings.warn(
            f"The training diverged: its loss ended at {end:.3g}, where guessing has {chance:.3g}. "
            "A smaller learning rate may help: dataclasses.replace(recipe, learning_rate=…).",
            stacklevel=3,
        )
    if len(networks) > 1:  # layers that saw smaller images would tell of these
        trained, model = model, type(model).from_config(model.get_config())
        model.set_weights(trained.get_weights())
    return Run(model, recipe, seed, state.history, seconds, speed, precision, cost)


def _built(
    optimizer: keras.optimizers.Optimizer,
    model: keras.Model,
    precision: str,
    before: keras.optimizers.Optimizer | None,
) -> keras.optimizers.Optimizer:
    """The optimiser for what the network is to learn, going on from the one before."""
    if precision == "mixed_float16":  # its smallest gradients would be lost
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, name="scaled")
    optimizer.build(model.trainable_variables)
    known = {variable.path: variable for variable in before.variables} if before else {}
    for variable in optimizer.variables:
        if variable.path in known:
            variable.assign(known[variable.path])
    return optimizer


def build_optimizer(recipe: Recipe, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """The optimiser that a recipe asks for, in epochs of so many steps."""
    rate, steps = recipe.learning_rate, recipe.epochs * steps_per_epoch
    if recipe.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, decay_steps=steps)
    elif recipe.schedule == "triangle":
        rise = max(1, int(recipe.warmup * steps + 1e-6))
        rate = keras.optimizers.schedules.PolynomialDecay(rate, max(1, steps - rise), 0.0)
        rate = LinearRise(recipe.learning_rate / 5, rise, rate)
    decay = recipe.weight_decay or None
    options = {"weight_decay": decay, "name": "optimizer"}  # by which its state is known
    if recipe.optimizer == "adam":
        optimizer = keras.optimizers.Adam(rate, **options)
    elif recipe.optimizer == "rmsprop":
        optimizer = keras.optimizers.RMSprop(rate, **options)
    else:
        options |= {"momentum": recipe.momentum, "nesterov": True}
        ours = {"steps": steps, "offset_rate": recipe.offset_rate}
        if recipe.whitening_epochs:
            ours["whitening_rate"] = recipe.offset_rate * recipe.learning_rate
            ours["whitening_steps"] = recipe.whitening_epochs * steps_per_epoch
        if not recipe.lookahead:
            ours["hold"] = 0.0
        if recipe.optimizer == "muon":
            ours["kernel_rate"] = recipe.muon_rate / recipe.learning_rate
            return Muon(rate, kernel_momentum=recipe.muon_momentum, **options, **ours)
        if recipe.lookahead or recipe.offset_rate != 1 or recipe.whitening_epochs:
            optimizer = LookaheadSGD(rate, **options, **ours)
        else:
            optimizer = keras.optimizers.SGD(rate, **options)
    if decay:
        optimizer.exclude_from_weight_decay(var_names=SPARED)
    return optimizer


def _build(recipe: Recipe, data: ImageData, precision: str) -> keras.Model:
    options = dict(recipe.model_options)
    if recipe.normalization == "zscore":
        options["statistics"] = channel_statistics(data.x_train)
    shapes = {"num_classes": len(data.class_names), "input_shape": data.x_train.shape[1:]}
    with keras_defaults(precision):
        model = build_model(recipe.model, **shapes, **options)
    if recipe.initialization == "whitening":
        initialize(model, data.x_train)
    return model


def _shown_at(model: keras.Model, side: int) -> list[keras.Layer]:
    """The network's faster twin, behind a layer that reduces images to so many pixels a side."""
    twin = accelerate(at_side(model, side))
    return [twin] if side == WHOLE else [keras.layers.Resizing(*twin.input.shape[1:3]), twin]
