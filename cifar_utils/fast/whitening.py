"""First weights that know what images look like, instead of random ones."""

import keras
import numpy as np
from keras import ops

IMAGES = 5_000  # whose patches are decomposed, as in the source
WHITENING = "whitening_conv"  # a layer that is there for nothing else
EPSILON = 5e-4  # added to the eigenvalues: the weakest patterns are mostly noise


def initialize(model: keras.Model, images: np.ndarray) -> None:
    """Give a network's convolutions weights to start from, in place. Taught in notebook 05.

    The first convolution becomes a whitening one: its filters are the principal
    components of the images' patches, strongest first, each divided by its standard
    deviation, so that these outputs are uncorrelated and of like size; then come their
    negatives. A layer that is there for nothing else, ``whitening_conv``, is frozen, so
    that no gradient has to go back through it. Later convolutions pass their inputs on:
    filter i starts as the identity of channel i, and where there are more filters than
    channels, the others stay random. 1x1 convolutions stay as they are.

    Parameters
    ----------
    model : keras.Model
        With a layer named ``scaling``, behind which the patches are taken. It should give
        z-scores: no mean is subtracted before patches are decomposed.
    images : ndarray of uint8, shape (n, 32, 32, 3)
        Of the training split alone. The first 5,000 are used.

    Raises
    ------
    ValueError
        If there is no layer named ``scaling``.

    References
    ----------
    K. Jordan, "94 % on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024,
    arXiv:2404.00498, sections 3.2 and 3.3.

    Examples
    --------
    >>> from cifar_utils.models import build_model
    >>> model = build_model("valid_cnn", statistics=((0.5, 0.5, 0.5), (0.3, 0.3, 0.3)))
    >>> initialize(model, np.random.default_rng(0).integers(0, 256, (50, 32, 32, 3), "uint8"))
    >>> kernel = model.get_layer("stage1_conv1").kernel  # its halves are opposite
    >>> bool(ops.all(kernel[..., :16] == -kernel[..., 16:]))
    True
    """
    first, *later = [a for a in model.layers if isinstance(a, keras.layers.Conv2D)]
    scaled = ops.convert_to_numpy(model.get_layer("scaling")(images[:IMAGES]))
    scaled = scaled.astype("float32")  # whatever the precision that it will train in
    size, _, _, filters = first.kernel.shape
    kernel = ops.convert_to_numpy(first.kernel).copy()
    whitening = whitening_filters(scaled, size)[..., : filters // 2]
    count = whitening.shape[-1]
    kernel[..., :count], kernel[..., count : 2 * count] = whitening, -whitening
    first.kernel.assign(kernel)
    if first.name == WHITENING:
        first.trainable = False
    for layer in later:
        size, _, channels, filters = layer.kernel.shape
        if size == 1:
            continue
        same = min(channels, filters)
        kernel = ops.convert_to_numpy(layer.kernel).copy()
        kernel[..., :same] = 0
        kernel[size // 2, size // 2, range(same), range(same)] = 1
        layer.kernel.assign(kernel)


def whitening_filters(images: np.ndarray, size: int) -> np.ndarray:
    """Filters whose outputs on the images' patches are uncorrelated, of variance 1.

    Parameters
    ----------
    images : ndarray of float, shape (n, height, width, channels)
        Scaled as the convolution will see them, around 0.
    size : int
        Side of the patches, in pixels.

    Returns
    -------
    ndarray of float64, shape (size, size, channels, size * size * channels)
        As a convolution's kernel, the pattern of the largest variance first. The largest
        value of each pattern is positive, on every machine.
    """
    windows = np.lib.stride_tricks.sliding_window_view(images, (size, size), axis=(1, 2))
    # Every second patch in both directions says nearly as much as all of them.
    patches = windows[:, ::2, ::2].transpose(0, 1, 2, 4, 5, 3)
    patches = patches.reshape(-1, size * size * images.shape[-1])
    variances, patterns = np.linalg.eigh(patches.T @ patches / len(patches))
    strongest = np.argsort(-variances)
    patterns = patterns[:, strongest]
    # An eigenvector's sign is by chance, and another library's chance is another one.
    patterns *= np.sign(np.take_along_axis(patterns, abs(patterns).argmax(0)[None], axis=0))
    filters = patterns / np.sqrt(variances[strongest] + EPSILON)
    return filters.reshape(size, size, images.shape[-1], -1)
