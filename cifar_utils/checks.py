"""What functions of several modules demand of their arguments, and the errors that say so."""

import difflib
from collections.abc import Iterable, Sequence

import numpy as np


def check_count(name: str, value: int, lowest: int = 1, multiple: int = 1) -> None:
    """Raise ValueError unless `value` is a whole number, or a multiple of ten, large enough."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < lowest or value % multiple:
        what = {1: "a whole number", 10: "a multiple of ten"}[multiple]
        raise ValueError(f"Expected {name} to be {what}, {lowest} or more. Received: {value!r}.")


def check_mirrors(mirrors: Sequence[str] | None) -> None:
    """Raise ValueError unless `mirrors` is None or a list of one URL at least."""
    if mirrors is None:
        return
    listed = isinstance(mirrors, (list, tuple)) and len(mirrors) > 0
    if not listed or not all(
        isinstance(m, str) and m.startswith(("http://", "https://")) for m in mirrors
    ):
        raise ValueError(
            "Expected mirrors as a list of URLs that begin with http:// or https://. "
            f"Received: {mirrors!r}."
        )


def check_images(images: np.ndarray, image_shape: tuple[int, int, int] | None = None) -> None:
    """Raise ValueError unless `images` is uint8 of shape (n, height, width, 3), n > 0.

    With `image_shape`, each image must also have that shape.
    """
    shape, dtype = getattr(images, "shape", None), getattr(images, "dtype", None)
    fits = shape is not None and len(shape) == 4 and shape[3] == 3 and 0 not in shape
    if not fits or dtype != np.uint8 or image_shape not in (None, shape[1:]):
        wanted = ", ".join(map(str, image_shape or ("height", "width", 3)))
        raise ValueError(
            f"Expected images as a uint8 array of shape (n, {wanted}), n at least 1. "
            f"Received: {type(images).__name__} of shape {shape} and dtype {dtype}."
        )


def check_labels(*labels: np.ndarray, num_classes: int | None = None) -> list[np.ndarray]:
    """All labels as arrays: whole numbers of shape (n,), n > 0, one length, else ValueError.

    With `num_classes`, they must also lie from 0 to ``num_classes - 1``. Labels of
    shape (n, 1), as ``keras.datasets`` gives them, are refused: compared with
    predictions of shape (n,), NumPy broadcasts them to (n, n) and the accuracy is wrong.
    """
    arrays = [np.asarray(values) for values in labels]
    for values in arrays:
        if values.ndim != 1 or values.size == 0 or values.dtype.kind not in "iu":
            raise ValueError(
                "Expected labels as whole numbers of shape (n,), n at least 1. "
                f"Received: shape {values.shape}, dtype {values.dtype}."
            )
        if num_classes and (values.min() < 0 or values.max() >= num_classes):
            raise ValueError(
                f"Expected labels from 0 to {num_classes - 1}. "
                f"Received: labels from {values.min()} to {values.max()}."
            )
    if len({len(values) for values in arrays}) > 1:
        raise ValueError(
            "Expected labels of one length. "
            f"Received: {' and '.join(str(len(values)) for values in arrays)}."
        )
    return arrays


def check_labelled(
    images: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    image_shape: tuple[int, int, int] | None = None,
) -> np.ndarray:
    """The labels as an array: of the forms above, one for each image, else ValueError."""
    check_images(images, image_shape)
    one_each = np.zeros(len(images), int)
    return check_labels(one_each, labels, num_classes=num_classes)[1]


def check_probabilities(probabilities: np.ndarray, classes: int | None = None) -> np.ndarray:
    """Probabilities as an array of shape (n, classes), rows that sum to 1, else ValueError."""
    array = np.asarray(probabilities, float)
    if array.ndim != 2 or 0 in array.shape or classes not in (None, array.shape[1]):
        wanted = f"(n, {classes or 'classes'})"
        raise ValueError(
            f"Expected probabilities of shape {wanted}. Received: shape {array.shape}."
        )
    sums = array.sum(axis=1)
    if not np.allclose(sums, 1, atol=1e-3) or array.min() < 0:
        raise ValueError(
            "Expected probabilities, none below 0, whose rows sum to 1. Received: values from "
            f"{array.min():.3g} to {array.max():.3g}, sums from {sums.min():.3g} to "
            f"{sums.max():.3g}. Apply softmax to logits first."
        )
    return array


def unknown_name(kind: str, name: object, known: Iterable[str]) -> ValueError:
    """The error to raise for a name that is not among the known ones; it names the near ones.

    >>> print(unknown_name("model", "resnet2", ["resnet20", "plain20"]))
    Expected a model of ['resnet20', 'plain20']. Received: 'resnet2'. Did you mean 'resnet20'?
    """
    known = list(known)
    near = difflib.get_close_matches(str(name), known, n=2, cutoff=0.4)
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    return ValueError(f"Expected a {kind} of {known}. Received: {name!r}.{hint}")
