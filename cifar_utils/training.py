"""Train a network by a recipe, so that it can be interrupted at any moment and go on."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import keras

from cifar_utils.augmentation import build_augmentation
from cifar_utils.blocks import IMAGE_SHAPE, NUM_CLASSES
from cifar_utils.checks import check_labelled
from cifar_utils.data import Cifar10, channel_statistics, fingerprint
from cifar_utils.fast.whitening import initialize
from cifar_utils.models import build_model
from cifar_utils.fast.pipeline import steps_per_epoch, training_input, validation_input
from cifar_utils.recipe import Recipe
from cifar_utils.recipes import RECIPES
from cifar_utils.fast.resume import TrainingState

__all__ = ["RECIPES", "Recipe", "Run", "best_precision", "train"]


@dataclass(frozen=True)
class Run:
    """What came of a training.

    Attributes
    ----------
    model : keras.Model
        As it is after the last epoch. Takes pixels from 0 to 255 and returns logits.
    recipe : Recipe
    seed : int
    history : dict of str to list of float
        A value an epoch: ``loss`` and ``accuracy``, measured during the epoch, with
        dropout and augmentation; ``val_loss`` and ``val_accuracy``, measured after it,
        without; ``seconds``, of training alone.
    seconds : float
        Wall-clock time of all epochs, the building of the graph included, validation not.
    images_per_second : float
        Over the epochs after the first, or over the only one, small images included.
    precision : str
        The Keras dtype policy that the network was built with.
    """

    model: keras.Model
    recipe: Recipe
    seed: int
    history: dict[str, list[float]]
    seconds: float
    images_per_second: float
    precision: str


def best_precision() -> str:
    """The fastest dtype policy that this machine has hardware for.

    ``"mixed_float16"`` on a CUDA GPU, ``"mixed_bfloat16"`` on a processor with bfloat16
    units, else ``"float32"``.
    """
    if has_gpu():
        return "mixed_float16"
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text() if cpuinfo.exists() else ""
    return "mixed_bfloat16" if "avx512_bf16" in flags or "amx_bf16" in flags else "float32"


def train(
    recipe: Recipe,
    data: Cifar10,
    seed: int = 0,
    *,
    epochs: int | None = None,
    precision: str | None = None,
    resume: str | os.PathLike | None = None,
    verbose: str | int = "auto",
) -> Run:
    """Train a new network by a recipe.

    Parameters
    ----------
    recipe : Recipe
        For example ``RECIPES["valid_cnn"]``.
    data : Cifar10
        Training images and, if there are any, validation images. Labels are class numbers
        under mixup and smoothing, too.
    seed : int
        Decides the initial weights, the order of the images and all random transforms. It
        is also set as the global seed of Python, NumPy and the backend.
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
        pixels of shape (n, 32, 32, 3), labels in another than class numbers, images that the
        recipe makes too small for its network, or the file is of another training or can't
        be written.
    """
    recipe = recipe if epochs is None else replace(recipe, epochs=epochs)
    steps = steps_per_epoch(recipe, data)
    form = NUM_CLASSES, IMAGE_SHAPE
    data = replace(data, y_train=check_labelled(data.x_train, data.y_train, *form))
    if len(data.x_val) or len(data.y_val):
        data = replace(data, y_val=check_labelled(data.x_val, data.y_val, *form))
    keras.utils.set_random_seed(seed)
    precision = precision or best_precision()
    model = _build(recipe, data, precision)
    augmentation = build_augmentation(recipe.augmentation, seed=seed)
    optimizer = recipe.build_optimizer(recipe.epochs * steps)
    if precision == "mixed_float16":  # its smallest gradients would be lost
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(model.trainable_variables)

    identity = recipe.settings() | {
        "seed": seed,
        "precision": precision,
        "backend": keras.backend.backend(),
        "data": fingerprint(data.x_train, data.y_train),
        "images": len(data.x_train),
        "validation": fingerprint(data.x_val, data.y_val) if len(data.x_val) else None,
    }
    state = TrainingState(Path(resume) if resume else None, identity, augmentation)
    # All networks first, for an error after some epochs would come too late.
    phases = [(first, end, _at_side(model, side)) for first, end, side in recipe.phases()]
    for first_epoch, end, network in phases:
        learner = keras.Sequential([augmentation, *network], name="learner")
        learner.compile(
            optimizer=optimizer,
            loss=keras.losses.CategoricalCrossentropy(
                from_logits=True, label_smoothing=recipe.label_smoothing
            ),
            metrics=["accuracy"],
        )
        if not first_epoch:
            state.restore(learner)
        if state.epochs_done < end:
            learner.fit(
                training_input(recipe, data, seed, state.epochs_done),
                epochs=end,
                initial_epoch=state.epochs_done,
                steps_per_epoch=steps,
                **validation_input(data),
                callbacks=[state],
                shuffle=False,
                verbose=verbose,
            )
    steady = state.history["seconds"][1:] or state.history["seconds"]
    speed = steps * recipe.batch_size * len(steady) / sum(steady)
    seconds = sum(state.history["seconds"])
    return Run(model, recipe, seed, state.history, seconds, speed, precision)


def _build(recipe: Recipe, data: Cifar10, precision: str) -> keras.Model:
    options = dict(recipe.model_options)
    if recipe.normalization == "zscore":
        options["statistics"] = channel_statistics(data.x_train)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        model = build_model(recipe.model, **options)
    finally:
        keras.config.set_dtype_policy(before)
    if recipe.initialization == "whitening":
        initialize(model, data.x_train)
    return model


def _at_side(model: keras.Model, side: int) -> list[keras.Layer]:
    """Layers that show images to a network reduced to so many pixels a side."""
    if side == IMAGE_SHAPE[0]:
        return [model]

    def same(layer: keras.Layer) -> keras.Layer:
        """The layer itself, so that the weights are shared."""
        if isinstance(layer, keras.layers.Flatten):  # the head wants as many values as ever
            enlarge = keras.layers.Resizing(*layer.input.shape[1:3], interpolation="nearest")
            return keras.Sequential([enlarge, layer])
        return layer

    inputs = keras.Input((side, side, IMAGE_SHAPE[2]))
    try:
        smaller = keras.models.clone_model(model, inputs, clone_function=same)
    except ValueError as error:
        raise ValueError(
            f"Expected images large enough for {model.name}. Received: {side} x {side} pixels."
        ) from error
    return [keras.layers.Resizing(side, side), smaller]


def has_gpu() -> bool:
    """Whether Keras computes on a GPU, on the TensorFlow or the JAX backend."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))
    if backend == "jax":
        import jax

        return jax.default_backend() == "gpu"
    return False
