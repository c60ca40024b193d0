"""Find, verify and load CIFAR-10.

The data set: 60,000 colour photographs of 32 x 32 pixels in ten classes, 50,000 for
training and 10,000 for testing (A. Krizhevsky, "Learning Multiple Layers of Features
from Tiny Images", 2009). Images stay ``uint8`` (154 MB instead of 614 MB as
``float32``); the models of this package scale them themselves.

The test images have a door of their own, :func:`load_cifar10_test`, so that nobody
opens it by accident: look at them once, at the end, when every choice is made.
"""

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cifar_utils.checks import (
    check_choice,
    check_count,
    check_images,
    check_labelled,
    check_mirrors,
    check_names,
    check_number,
    check_seed,
    expected,
)
from cifar_utils.dataset.cache import cifar10h_file, find_cifar10, read_cifar10
from cifar_utils.dataset.files import (
    CLASS_NAMES,
    IMAGE_SHAPE,
    NUM_CLASSES,
    DatasetError,
    fingerprint,
)

__all__ = [
    "CLASS_NAMES",
    "IMAGE_SHAPE",
    "NUM_CLASSES",
    "SYNTHETIC",
    "DatasetError",
    "Flaws",
    "ImageData",
    "channel_statistics",
    "find_cifar10",
    "fingerprint",
    "load_cifar10",
    "load_cifar10_test",
    "load_cifar10h",
    "load_flaws",
    "split_images",
]

SYNTHETIC = "synthetic stand-in"
SOURCES = ("auto", "cifar10", "synthetic")


@dataclass(frozen=True, eq=False, repr=False)
class ImageData:
    """Training and validation images, as :func:`load_cifar10` and :func:`split_images` give them.

    With a validation set of your own, make one yourself:
    ``ImageData(x_train, y_train, x_val, y_val, class_names)``.

    Attributes
    ----------
    x_train, x_val : ndarray of uint8, shape (n, height, width, 1 or 3)
        Images: rows, columns, then grey, or red, green and blue, from 0 to 255. Those of
        CIFAR-10 have 32 x 32 pixels in colour.
    y_train, y_val : ndarray of int64, shape (n,)
        Labels from 0, indices into `class_names`.
    class_names : tuple of str
    name : str
        What the images are. Of CIFAR-10, ``"cifar10"`` for the official release,
        ``"cifar10-q75"`` for its JPEG copy, ``"synthetic stand-in"``, or ``"unofficial copy"``.
    fingerprint : str
        SHA-256 over the pixels, then the labels, of all images that were to be split; the
        ledger needs it, training does not.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray
    class_names: tuple[str, ...]
    name: str = "own images"
    fingerprint: str = ""

    def __repr__(self) -> str:
        count = f"{len(self.x_train):,} training and {len(self.x_val):,} validation images"
        return f"<{self.name}: {count} in {len(self.class_names)} classes>"


def load_cifar10(
    source: str = "auto",
    data_dir: str | os.PathLike | None = None,
    val_size: int = 5_000,
    seed: int = 0,
    limit: int | None = None,
    mirrors: Sequence[str] | None = None,
) -> ImageData:
    """Load the training images, a part of them set aside for validation.

    Parameters
    ----------
    source : {"auto", "cifar10", "synthetic"}
        ``"cifar10"`` looks in ``data_dir`` if given, else in the folder that the
        environment variable ``CIFAR10_DIR`` names if set, else in the caches of this
        package and of Keras; failing that it downloads the official archive (170 MB).
        ``"synthetic"`` draws a stand-in, and says so. ``"auto"`` means the
        environment variable ``CIFAR_UTILS_SOURCE`` if set, else ``"cifar10"``; with a
        ``data_dir``, always the latter.
    data_dir : path, optional
        A folder with the official ``cifar-10-batches-py`` files, or its parent; or what
        :func:`find_cifar10` returned.
    val_size : int
        Validation images; the same number of each class, so a multiple of ten.
    seed : int
        Chooses which images are set aside. The same seed gives the same split.
    limit : int, optional
        Keep at most this many training images, the same number of each class.
    mirrors : sequence of str, optional
        URLs to download the official archive from, instead of the known ones. Whatever
        they deliver must have its SHA-256.

    Returns
    -------
    ImageData
        Training and validation arrays, disjoint, in the order of the files.

    Raises
    ------
    DatasetError
        If the images are not to be had, or a file is damaged or not CIFAR-10.
    ValueError
        If an argument is not one of the above.

    Examples
    --------
    >>> data = load_cifar10("synthetic", val_size=100, limit=200)  # doctest: +ELLIPSIS
    Note: these are drawn pictures, a synthetic stand-in...
    >>> data.x_train.shape, data.x_train.dtype, data.y_val.shape
    ((200, 32, 32, 3), dtype('uint8'), (100,))
    """
    # Each class gets the same share.
    val_size, seed = check_count("val_size", val_size, lowest=0, multiple=10), check_seed(seed)
    if limit is not None:
        limit = check_count("limit", limit, lowest=10, multiple=10)
    wanted = 50_000 if limit is None else min(limit + val_size, 50_000)
    images, labels, name, digest = _read("train", wanted, source, data_dir, mirrors)
    train, val = _stratified_split(labels, val_size, seed, limit)
    x_val, y_val, y_train = images[val], labels[val], labels[train]
    if limit is not None:
        x_train = images[train]  # all others are let go
    else:
        # Move the training rows to the front of the array they are in: `images[train]` would
        # for a moment need the memory twice, as does `ndarray.resize` from NumPy 2.5 on.
        for start in range(0, len(train), 100):
            rows = train[start : start + 100]
            images[start : start + len(rows)] = images[rows]
        x_train = images[: len(train)]
    return ImageData(x_train, y_train, x_val, y_val, CLASS_NAMES, name, digest)


def load_cifar10_test(
    source: str = "auto",
    data_dir: str | os.PathLike | None = None,
    limit: int | None = None,
    mirrors: Sequence[str] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Open the sealed test set: once, at the end, when every choice is made.

    Parameters
    ----------
    source, data_dir, mirrors
        As for :func:`load_cifar10`.
    limit : int, optional
        Keep at most this many images, the same number of each class.

    Returns
    -------
    x_test : ndarray of uint8, shape (n, 32, 32, 3)
        All 10,000, or ``limit`` of them.
    y_test : ndarray of int64, shape (n,)

    Raises
    ------
    DatasetError, ValueError
        As for :func:`load_cifar10`.
    """
    if limit is not None:
        check_count("limit", limit, lowest=10, multiple=10)
    wanted = 10_000 if limit is None else min(limit, 10_000)
    images, labels, *_ = _read("test", wanted, source, data_dir, mirrors)
    keep, _ = _stratified_split(labels, 0, 0, limit)
    return (images, labels) if len(keep) == len(labels) else (images[keep], labels[keep])


def load_cifar10h(
    data_dir: str | os.PathLike | None = None, mirrors: Sequence[str] | None = None
) -> np.ndarray:
    """How people label the test images: CIFAR-10H, the shares of some 50 raters an image.

    Its licence, CC BY-NC-SA 4.0, is printed when it is first loaded.

    Parameters
    ----------
    data_dir : path, optional
        A folder with ``cifar10h-probs.npy``. Without, or if it has none, the folder that
        ``CIFAR10_DIR`` names, the cache, then its public repository are tried.
    mirrors : sequence of str, optional
        URLs of the file, instead of the known one.

    Returns
    -------
    ndarray of float64, shape (10000, 10)
        A row for each test image in their order, which sums to 1.

    Raises
    ------
    DatasetError
        If it is not to be had.

    References
    ----------
    J. C. Peterson et al., "Human uncertainty makes classification more robust", 2019,
    arXiv:1908.07086, https://github.com/jcpeterson/cifar-10h.
    """
    global _licence_shown
    check_mirrors(mirrors)
    shares = np.load(cifar10h_file(data_dir, mirrors), allow_pickle=False)
    if not _licence_shown:
        print("CIFAR-10H by J. C. Peterson et al. (2019), licensed CC BY-NC-SA 4.0.")
        _licence_shown = True
    return shares


_licence_shown = False


class Flaws(NamedTuple):
    """What is known to be wrong with the test images: rows that begin with an image's index."""

    duplicates: np.ndarray
    rejected: np.ndarray


def load_flaws() -> Flaws:
    """What is known to be wrong with the 10,000 official test images. Taught in notebook 07.

    Judge a network without these images, too. The lists, their sources and licences are in
    ``flaws.json``, which comes with the package.

    Returns
    -------
    Flaws
        ``duplicates``, ndarray of int64, shape (286, 2): a test image, and its near-duplicate
        among the 50,000 training images in the order of ``load_cifar10(val_size=0)``.
        ``rejected``, ndarray of int64, shape (54, 2): a test image whose label fewer than three
        of five raters chose, and the class that three or more chose instead, -1 where no class
        got so many. Both from the lowest test index on.

    References
    ----------
    B. Barz and J. Denzler, "Do We Train on Test Data?", 2020, arXiv:1902.00423. C. G. Northcutt
    et al., "Pervasive Label Errors in Test Sets Destabilize Machine Learning Benchmarks", 2021,
    arXiv:2103.14749.

    Examples
    --------
    >>> duplicates, rejected = load_flaws()
    >>> good = np.setdiff1d(np.arange(10_000), [*duplicates[:, 0], *rejected[:, 0]])
    >>> len(good)
    9660
    """
    lists = json.loads(Path(__file__).with_name("flaws.json").read_text(encoding="utf-8"))
    return Flaws(*(np.array(lists[name]["rows"], np.int64) for name in Flaws._fields))


def split_images(
    images: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str] | None = None,
    val_size: float = 0.2,
    seed: int = 0,
    name: str = "own images",
) -> ImageData:
    """Set a part of your own images aside for validation, the same share of each class.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, height, width, 1 or 3)
        Pixels from 0 to 255, all images of one size.
    labels : ndarray of integers, shape (n,)
        From 0.
    class_names : sequence of str, optional
        In the order of the labels. Without, the labels themselves.
    val_size : float or int
        The share of the images, below 1, or how many. 0 for none.
    seed : int
        Chooses which.
    name : str
        What the images are; plots show it.

    Returns
    -------
    ImageData

    Raises
    ------
    ValueError
        If the arrays are not of the form above, or not every class has an image for each part.

    Examples
    --------
    >>> images = np.zeros((10, 48, 48, 3), "uint8")
    >>> data = split_images(images, np.repeat([0, 1], 5), ["cat", "dog"])
    >>> data.x_train.shape, data.y_val, data.class_names
    ((8, 48, 48, 3), array([0, 1]), ('cat', 'dog'))
    """
    images, labels = check_labelled(images, labels)
    counts = np.bincount(labels) if labels.min() >= 0 else [0]
    if not all(counts):
        received = f"labels {np.unique(labels).tolist()}"
        hint = "Number them by np.unique(labels, return_inverse=True)."
        raise expected("an image of every class, labels 0, 1, 2 …", received, hint)
    names = check_names(range(len(counts)) if class_names is None else class_names)
    if len(names) > len(counts):
        raise expected("an image of every class", f"none of {', '.join(names[len(counts) :])}")
    names = check_names(names, len(counts))
    seed = check_seed(seed)
    given = val_size
    if isinstance(val_size, Real) and not isinstance(val_size, (bool, Integral)):
        val_size = math.ceil(check_number("val_size", val_size, 0, 1, inside="[)") * len(images))
    val_size = check_count("val_size", val_size, lowest=0)
    rows, aside = np.arange(len(images)), np.arange(0)
    if val_size:
        from sklearn.model_selection import train_test_split

        try:
            rows, aside = train_test_split(
                rows, test_size=val_size, random_state=seed, stratify=labels
            )
            if len(np.unique(labels[aside])) < len(counts):
                raise ValueError("a class has no image aside")
        except ValueError as error:
            raise expected(
                f"val_size to leave images of each of {len(counts)} classes for both parts",
                f"val_size={given} with {min(counts)} to {max(counts)} images a class",
            ) from error
    rows, aside = np.sort(rows), np.sort(aside)
    parts = images[rows], labels[rows], images[aside], labels[aside]
    return ImageData(*parts, names, name, fingerprint(images, labels))


def channel_statistics(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each channel, over all pixels of all images.

    Compute them from the training split alone: the validation and test images stand
    for pictures that nobody has seen yet.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, height, width, channels)

    Returns
    -------
    mean, std : ndarray of float64, shape (channels,)
        On the scale from 0 (black) to 1 (full intensity).

    Examples
    --------
    >>> black_and_white = np.stack([np.zeros((2, 2, 3)), np.full((2, 2, 3), 255)])
    >>> channel_statistics(black_and_white.astype("uint8"))
    (array([0.5, 0.5, 0.5]), array([0.5, 0.5, 0.5]))
    """
    images = check_images(images)
    channels = images.shape[3]
    # Only 256 values occur, so counting them is exact; by parts, as each is copied for it.
    counts = np.zeros((channels, 256))
    for part in np.array_split(images, -(-len(images) // 1000)):
        counts += [np.bincount(part[..., c].ravel(), minlength=256) for c in range(channels)]
    share, level = counts / counts.sum(axis=1, keepdims=True), np.arange(256) / 255
    mean = share @ level
    return mean, np.sqrt(np.sum(share * (level - mean[:, None]) ** 2, axis=1))


def default_source() -> str:
    """What ``source="auto"`` means: the environment variable CIFAR_UTILS_SOURCE, if set."""
    source = os.environ.get("CIFAR_UTILS_SOURCE") or "auto"
    return check_choice("source in the environment variable CIFAR_UTILS_SOURCE", source, SOURCES)


def _read(
    split: str,
    drawn: int,
    source: str,
    data_dir: str | os.PathLike | None,
    mirrors: Sequence[str] | None,
) -> tuple[np.ndarray, np.ndarray, str, str]:
    """Images, labels, name and fingerprint of a split, or of so many drawn pictures."""
    check_mirrors(mirrors)
    if source == "auto" and data_dir is None:
        source = default_source()
    check_choice("source", source, SOURCES)
    if source != "synthetic":
        return read_cifar10(split, data_dir, mirrors)
    if data_dir is not None:
        raise ValueError(
            "Expected no data_dir with source='synthetic', whose pictures are drawn. "
            f"Received: {os.fspath(data_dir)!r}."
        )
    from cifar_utils.dataset.synthetic import draw_images

    print(
        f"Note: these are drawn pictures, a {SYNTHETIC} for CIFAR-10. "
        "Accuracies on them say nothing about CIFAR-10."
    )
    images, labels = draw_images(drawn, seed={"train": 0, "test": 1}[split])
    return images, labels, SYNTHETIC, fingerprint(images, labels)


def _stratified_split(
    labels: np.ndarray, val_size: int, seed: int, limit: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Sorted row numbers of the training and the validation part."""
    rng = np.random.default_rng(seed)
    train, val = [], []
    for label in range(NUM_CLASSES):
        rows = rng.permutation(np.flatnonzero(labels == label))
        if len(rows) <= val_size // 10:
            raise ValueError(
                f"Expected val_size to leave images of every class for training. Received: "
                f"val_size={val_size} with {len(rows)} images of class {CLASS_NAMES[label]}."
            )
        val.append(rows[: val_size // 10])
        train.append(rows[val_size // 10 :][: None if limit is None else limit // 10])
    return np.sort(np.concatenate(train)), np.sort(np.concatenate(val))
