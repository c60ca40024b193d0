"""What does a network look at? Filters, feature maps, evidence in an image, a map of images.

Functions take a plain Keras classifier, functional or ``Sequential``, that ends in logits or in a
softmax; networks within it are seen through. TensorFlow and Keras are imported when a function is
called, not with this module. Pictures of what is returned are drawn by ``plotting``.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import softmax
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.utils import check_array
from threadpoolctl import threadpool_limits

from cifar_utils.checks import (
    check_choice,
    check_count,
    check_finite,
    check_images,
    check_labels,
    check_lengths,
    check_names,
    check_seed,
    expected,
)

if TYPE_CHECKING:
    import keras

# Rows and columns. Covering the fifth of an image that Grad-CAM marks costs this package's trained
# networks 1.8 to 2.1 times the probability that random patches cost, by maps of 6 x 6 or 7 x 7,
# and 1.0 to 1.4 times by maps of 2 x 2 or 3 x 3 (200 validation images).
SMALLEST_MAP = 5


def first_filters(model: "keras.Model") -> np.ndarray:
    """The filters of a network's first layer, as images. Taught in notebook 07.

    Parameters
    ----------
    model : keras.Model
        Its first layer with a kernel is a convolution over the image's channels, or, as in a
        linear model, a dense layer over all of its pixels.

    Returns
    -------
    ndarray of float, shape (filters, rows, columns, 1 or 3)
        From 0 to 1, for ``plotting.plot_images``. Grey, 0.5, is a weight of zero; each filter is
        stretched to its own largest weight.

    Raises
    ------
    ValueError
        If the model is no such network.

    Examples
    --------
    >>> from cifar_utils.pretrained import load_trained
    >>> first_filters(load_trained("valid_cnn")).shape
    (32, 3, 3, 3)
    """
    network = _open(model)
    shape = network.pixels.shape[1:]
    layer = next((a.layer for a in network.calls if hasattr(a.layer, "kernel")), None)
    kernel = np.empty(0) if layer is None else np.asarray(layer.get_weights()[0], float)
    if kernel.ndim == 2 and kernel.size and len(kernel) == np.prod([side or 0 for side in shape]):
        kernel = kernel.reshape(*shape, -1)
    if kernel.ndim != 4 or kernel.shape[2] != shape[2]:
        wanted = f"a first layer with filters over the images' {shape[2]} channels"
        raise expected(wanted, f"a kernel of shape {kernel.shape}" if layer else "no kernel")
    filters = np.moveaxis(kernel, -1, 0)
    largest = np.abs(filters).max(axis=(1, 2, 3), keepdims=True)
    return 0.5 + 0.5 * filters / np.where(largest > 0, largest, 1)


def feature_maps(
    model: "keras.Model",
    images: np.ndarray,
    layers: Sequence[str] | None = None,
    *,
    batch_size: int = 500,
) -> dict[str, np.ndarray]:
    """What a network's layers make of images. Taught in notebook 07.

    Parameters
    ----------
    model : keras.Model
    images : ndarray, shape (n, height, width, 1 or 3)
        uint8, from 0 to 255. A network without a ``Rescaling`` layer gets what it was trained on.
    layers : sequence of str, optional
        Names of layers that return maps. Without, all convolutions.
    batch_size : int

    Returns
    -------
    dict of str to ndarray of float32, shape (n, rows, columns, channels)
        By the layers' names, for ``plotting.plot_feature_maps``.

    Raises
    ------
    ValueError
        If the model or the images are not of the form above, or a layer returns no maps.

    Examples
    --------
    >>> from cifar_utils.pretrained import load_trained
    >>> maps = feature_maps(load_trained("valid_cnn"), np.zeros((2, 32, 32, 3), "uint8"))
    >>> maps["stage2_conv1"].shape
    (2, 13, 13, 64)
    """
    network = _open(model)
    images, known = network.check_images(images), network.maps()
    if layers is None:
        kinds = {layer.name: type(layer).__name__ for layer, *_ in network.calls}
        layers = [name for name in known if "Conv" in kinds[name]]
    layers = check_names([layers] if isinstance(layers, str) else layers, what="layers")
    layers = [check_choice("layer with maps", name, known) for name in layers]
    found = network.upto([known[name] for name in layers], batch_size)(images)
    return dict(zip(layers, found, strict=True))


@np.errstate(all="ignore")
def grad_cam(
    model: "keras.Model",
    images: np.ndarray,
    classes: int | Sequence[int] | None = None,
    *,
    layer: str | None = None,
    average: bool = True,
    batch_size: int = 100,
) -> np.ndarray:
    """Where in an image the evidence for a class lies, by Grad-CAM. Taught in notebook 07.

    Cut the network at a layer. How much would the class's logit grow with each value of
    the maps there? That gradient, averaged over a map, is the map's weight. The weighted sum of
    all maps, where it is positive, is the evidence.

    Parameters
    ----------
    model : keras.Model
    images : ndarray, shape (n, height, width, 1 or 3)
        uint8, from 0 to 255. A network without a ``Rescaling`` layer gets what it was trained on.
    classes : int or sequence of n int, optional
        Evidence for which class. Without, for the one that each image is taken for.
    layer : str, optional
        A layer that returns maps and that all paths through the network meet in. Without, the
        last one whose maps have 5 rows and columns at least, since coarser ones hardly say where.
    average : bool
        False multiplies each value of a map by its own gradient: HiResCAM, which is seldom empty.
    batch_size : int

    Returns
    -------
    ndarray of float32, shape (n, height, width)
        From 0 to 1, the largest value of each image; all zero if nothing speaks for the class.

    Raises
    ------
    ValueError
        If an argument is not of the form above, the network returns no finite numbers, or Keras
        runs on another backend than TensorFlow or JAX, whose gradients are needed.

    References
    ----------
    R. Selvaraju et al., "Grad-CAM", 2017, arXiv:1610.02391. R. Draelos and L. Carin, "Use
    HiResCAM instead of Grad-CAM", 2020, arXiv:2011.08891.

    Examples
    --------
    >>> from cifar_utils.pretrained import load_trained
    >>> images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), "uint8")
    >>> grad_cam(load_trained("valid_cnn"), images, classes=3).shape
    (2, 32, 32)
    """
    import keras

    batch_size = check_count("batch_size", batch_size)
    network = _open(model)
    images, known = network.check_images(images), network.maps()
    if layer is None:
        sides = {name: min(side or np.inf for side in known[name].shape[1:3]) for name in known}
        places = [name for name in known if sides[name] >= SMALLEST_MAP] or list(known)
    else:
        places = [check_choice("layer with maps", layer, known)]
    for name in reversed(places):
        before = keras.Model(network.pixels, known[name])
        try:
            after = keras.Model(known[name], network.logits)
            after(before(images[:1], training=False), training=False)  # where Keras 3.13 finds out
            break
        except (ValueError, KeyError):  # Keras': there is a way around it
            pass
    else:
        wanted = "layer as one that all paths through the network meet in"
        raise expected(wanted, repr(layer), "Take the addition that follows.")
    if classes is not None:
        classes = _check_classes(classes, len(images), network.logits.shape[1])
    heat = []
    for start in range(0, len(images), batch_size):
        here = slice(start, start + batch_size)
        chosen = None if classes is None else classes[here]
        heat.append(_evidence(before, after, images[here], chosen, average))
    heat = check_finite("a network that returns finite numbers", np.concatenate(heat))
    largest = heat.max(axis=(1, 2), keepdims=True)
    return heat / np.where(largest > 0, largest, 1)


def _evidence(
    before: "keras.Model",
    after: "keras.Model",
    images: np.ndarray,
    classes: np.ndarray | None,
    average: bool,
) -> np.ndarray:
    """Grad-CAM of a batch, by the network's parts before and after the maps."""
    from keras import ops

    maps = ops.cast(before(images, training=False), "float32")
    if classes is None:
        classes = ops.argmax(after(maps, training=False), axis=1)

    def score(maps):
        """The sum of the logits asked for: no image has a part in another's."""
        logits = after(maps, training=False)
        return ops.sum(ops.take_along_axis(logits, classes[:, None], axis=1))

    slopes = _gradient(score, maps)
    weights = ops.mean(slopes, axis=(1, 2), keepdims=True) if average else slopes
    heat = ops.relu(ops.sum(weights * maps, axis=-1, keepdims=True))
    heat = ops.image.resize(heat, images.shape[1:3], data_format="channels_last")
    return ops.convert_to_numpy(heat)[..., 0].astype("float32")


def _gradient(function: Callable, x: Any) -> Any:
    """The gradient of a function that returns a number, at `x`."""
    import keras

    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            value = function(x)
        return tape.gradient(value, x)
    if backend == "jax":
        import jax

        return jax.grad(function)(x)
    raise expected("Keras on TensorFlow or JAX, for gradients", f"Keras on {backend}")


@np.errstate(all="ignore")
def occlusion(
    model: "keras.Model",
    images: np.ndarray,
    classes: int | Sequence[int] | None = None,
    *,
    size: int = 8,
    stride: int = 4,
    batch_size: int = 500,
) -> np.ndarray:
    """How much a class's probability falls when a part of the image is covered.

    Taught in notebook 07. It needs no gradients, and nothing but the network's answers.

    Parameters
    ----------
    model : keras.Model
    images : ndarray, shape (n, height, width, 1 or 3)
        uint8, from 0 to 255. A network without a ``Rescaling`` layer gets what it was trained on.
    classes : int or sequence of n int, optional
        Whose probability. Without, that of the class that each image is taken for.
    size, stride : int
        A square of `size` pixels a side, in the image's mean colour, is moved by `stride` pixels.
    batch_size : int

    Returns
    -------
    ndarray of float32, shape (n, height, width)
        From -1 to 1: the mean over all squares that cover the pixel. 0.3 means that the
        probability fell by 30 points; below zero, that it rose.

    Raises
    ------
    ValueError
        If an argument is not of the form above, the square does not fit into the image, the
        stride is longer than the square, or the network returns no finite numbers.

    References
    ----------
    M. Zeiler and R. Fergus, "Visualizing and Understanding Convolutional Networks", 2013,
    arXiv:1311.2901, section 4.2.

    Examples
    --------
    >>> from cifar_utils.pretrained import load_trained
    >>> images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), "uint8")
    >>> occlusion(load_trained("valid_cnn"), images, size=16, stride=16).shape
    (2, 32, 32)
    """
    network = _open(model)
    images = network.check_images(images)
    n, *sides, _ = images.shape
    size, stride = check_count("size", size), check_count("stride", stride)
    if not stride <= size <= min(sides):
        wanted = f"a stride up to the size, and a size up to {min(sides)}, the images' side"
        raise expected(wanted, f"stride {stride}, size {size}")
    run = network.upto([network.logits], batch_size)
    (logits,) = run(images)
    classes = logits.argmax(axis=1) if classes is None else classes
    classes = _check_classes(classes, n, logits.shape[1])
    whole = softmax(logits, axis=1)[range(n), classes]
    colour = images.mean(axis=(1, 2), keepdims=True).astype(images.dtype)
    fall, times = np.zeros((n, *sides), "float32"), np.zeros(sides, "float32")
    starts = [sorted({*range(0, side - size, stride), side - size}) for side in sides]
    for top, left in itertools.product(*starts):
        here = slice(top, top + size), slice(left, left + size)
        covered = images.copy()
        covered[:, *here] = colour
        (logits,) = run(covered)
        rest = softmax(logits, axis=1)[range(n), classes]
        fall[:, *here] += (whole - rest)[:, None, None]
        times[here] += 1
    return fall / times


def image_features(
    model: "keras.Model", images: np.ndarray, *, batch_size: int = 500
) -> np.ndarray:
    """What a network has found in images, just before its logits. Taught in notebook 07.

    Parameters
    ----------
    model : keras.Model
    images : ndarray, shape (n, height, width, 1 or 3)
        uint8, from 0 to 255. A network without a ``Rescaling`` layer gets what it was trained on.
    batch_size : int

    Returns
    -------
    ndarray of float32, shape (n, features)
        What goes into the last layer with a kernel; maps are averaged over their places.

    Raises
    ------
    ValueError
        If the model or the images are not of the form above, or the network returns no finite
        numbers.

    Examples
    --------
    >>> from cifar_utils.pretrained import load_trained
    >>> image_features(load_trained("fast_cnn"), np.zeros((2, 32, 32, 3), "uint8")).shape
    (2, 128)
    """
    network = _open(model)
    images = network.check_images(images)
    given = [call.given for call in network.calls if hasattr(call.layer, "kernel")]
    if not given:
        raise expected("a network whose logits are made by a layer with a kernel", "none")
    (found,) = network.upto(given[-1:], batch_size)(images)
    return found.mean(axis=tuple(range(1, found.ndim - 1))) if found.ndim > 2 else found


@np.errstate(all="ignore")
def embed(features: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Places in the plane, so that images with like features are neighbours.

    Taught in notebook 07. Principal components, 50 at most, then t-SNE. Neighbourhoods mean
    something; how far apart two groups lie, and how large one is, mean little.

    Parameters
    ----------
    features : ndarray of numbers, shape (n, features)
        Of :func:`image_features`; n and their number 4 at least. A thousand take some seconds.
    seed : int
        The same seed gives the same places on the same machine.

    Returns
    -------
    ndarray of float32, shape (n, 2)
        For ``plotting.plot_map``.

    Raises
    ------
    ValueError
        If the features or the seed are not of the form above.

    References
    ----------
    L. van der Maaten and G. Hinton, "Visualizing Data using t-SNE", JMLR 9, 2008.

    Examples
    --------
    >>> embed(np.random.default_rng(0).normal(size=(20, 8))).shape
    (20, 2)
    """
    seed = check_seed(seed)
    try:
        features = check_array(features, dtype=float, ensure_min_samples=4, ensure_min_features=4)
    except (ValueError, TypeError) as error:  # scikit-learn says what is wrong
        wanted = "features as finite numbers of shape (n, features), both 4 at least"
        raise expected(wanted, error) from None
    if not np.ptp(features, axis=0).any():
        raise expected("features that differ between images", "the same for all")
    short = PCA(min(50, *features.shape), random_state=seed).fit_transform(features)
    perplexity = min(30, (len(short) - 1) / 3)
    # On several threads it waits for the slowest at every step, which on a busy machine takes
    # several times as long.
    with threadpool_limits(1):
        return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(short)


class _Call(NamedTuple):
    """A layer's place in a network: what goes in, and what comes out."""

    layer: Any
    given: Any
    made: Any


class _Opened(NamedTuple):
    """A network as a graph from its pixels to its logits."""

    pixels: "keras.KerasTensor"
    calls: list[_Call]
    logits: "keras.KerasTensor"

    def check_images(self, images: np.ndarray) -> np.ndarray:
        """Images as an array; ValueError unless the network takes them."""
        front = itertools.takewhile(lambda call: not hasattr(call.layer, "kernel"), self.calls)
        scales = any(type(call.layer).__name__ == "Rescaling" for call in front)
        images = check_images(images, dtypes="uint8" if scales else "any")
        takes = self.pixels.shape[1:]
        if any(a not in (None, b) for a, b in zip(takes, images.shape[1:], strict=True)):
            raise expected(f"images of shape {takes}, as the network takes them", images.shape[1:])
        return images

    def maps(self) -> dict[str, "keras.KerasTensor"]:
        """The maps that layers return, by their names, from the first convolution on."""
        later = itertools.dropwhile(lambda a: "Conv" not in type(a.layer).__name__, self.calls)
        found = {a.layer.name: a.made for a in later if len(getattr(a.made, "shape", ())) == 4}
        if not found:
            raise expected("a network with convolutions", "one without any")
        return found

    def upto(self, tensors: list, batch_size: int) -> Callable[[np.ndarray], list[np.ndarray]]:
        """Function of images: the values that these tensors take, as float32."""
        import keras

        batch_size, part = check_count("batch_size", batch_size), keras.Model(self.pixels, tensors)

        def run(images):
            starts = range(0, len(images), batch_size)
            batches = [part.predict_on_batch(images[i : i + batch_size]) for i in starts]
            found = zip(*(b if isinstance(b, list) else [b] for b in batches), strict=True)
            values = [np.concatenate(parts).astype("float32") for parts in found]
            return [check_finite("a network that returns finite numbers", a) for a in values]

        return run


def _open(model: "keras.Model") -> _Opened:
    """The network's graph; ValueError unless it is a classifier of images."""
    inputs, outputs = _ends(model)
    if len(inputs) != 1 or len(outputs) != 1:
        kind = type(model).__name__
        hint = "Begin it with keras.Input(shape)." if kind == "Sequential" else ""
        wanted = "a functional or Sequential network of Keras, with one input and one output"
        raise expected(wanted, f"{kind} with {len(inputs)} and {len(outputs)}", hint)
    takes, makes = inputs[0].shape[1:], outputs[0].shape[1:]
    if len(takes) != 3 or len(makes) != 1 or makes[0] in (None, 1):
        wanted = "a network from images to logits of two classes or more"
        raise expected(wanted, f"one from shape {(None, *takes)} to shape {(None, *makes)}")
    calls = []
    pixels = _trace(model, calls)
    return _Opened(pixels, calls, _before_softmax(calls[-1]))


def _ends(model: object) -> tuple[list, list]:
    """A network's inputs and outputs; none of one that has no graph, or none yet."""
    try:
        return list(model.inputs), list(model.outputs)
    except (AttributeError, TypeError, ValueError):
        return [], []


def _trace(model: "keras.Model", calls: list[_Call], given: Any = None) -> Any:
    """Call all layers anew, those of networks within it, too, and note it; return the input.

    ``layer.output`` would not do: a layer of a ``Sequential`` that grew by ``add``, or was read
    from a file, still tells of an older graph.
    """
    import keras

    def call(layer, *args, **kwargs):
        if [len(end) for end in _ends(layer)] == [1, 1]:
            _trace(layer, calls, args[0])
        else:
            calls.append(_Call(layer, args[0] if args else None, layer(*args, **kwargs)))
        return calls[-1].made

    inputs, outputs = _ends(model)
    graph = keras.Model(inputs[0], outputs[0])
    options = {"clone_function": lambda layer: layer, "call_function": call}
    return keras.models.clone_model(graph, given, **options).inputs[0]


def _before_softmax(last: _Call) -> "keras.KerasTensor":
    """The logits of a network that ends so."""
    layer, given, made = last
    activation = getattr(getattr(layer, "activation", None), "__name__", type(layer).__name__)
    if activation.lower() == "sigmoid":
        raise expected("a network that ends in logits or a softmax", "one that ends in a sigmoid")
    if activation.lower() != "softmax":
        return made
    if not hasattr(layer, "kernel"):
        return given
    linear = type(layer).from_config(layer.get_config() | {"activation": "linear"})
    logits = linear(given)
    linear.set_weights(layer.get_weights())
    return logits


def _check_classes(classes: int | Sequence[int], n: int, count: int) -> np.ndarray:
    """A class for each of n images."""
    classes = [classes] * n if np.ndim(classes) == 0 else classes
    (classes,) = check_labels(classes, num_classes=count)
    check_lengths(f"{len(classes)} classes", f"{n} images")
    return classes
