"""Is this acceptable? What several modules demand of their arguments, said in one place.

Each check returns the argument in the form that the package works with, or raises a
ValueError that says what was expected, what came and, where it is cheap, how to mend it.
"""

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real

import numpy as np

CHANNELS = (1, 3)  # grey, or red, green and blue


def expected(what: object, received: object, hint: str = "") -> ValueError:
    """The error of this package.

    >>> print(expected("a cat", "dog"))
    Expected a cat. Received: dog.
    """
    received = str(received).rstrip(".")
    return ValueError(" ".join(filter(None, [f"Expected {what}. Received: {received}.", hint])))


def unknown_name(kind: str, name: object, known: Iterable[str]) -> ValueError:
    """The error to raise for a name that is not among the known ones; it names the near ones.

    >>> print(unknown_name("model", "resnet2", ["resnet20", "plain20"]))
    Expected a model of ['resnet20', 'plain20']. Received: 'resnet2'. Did you mean 'resnet20'?
    """
    known = list(known)
    article = "an" if kind[0] in "aeiou" else "a"
    near = difflib.get_close_matches(str(name), map(str, known), n=2, cutoff=0.4)
    hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else ""
    return expected(f"{article} {kind} of {known}", _short(name), hint)


class Named(dict):
    """Things by their names; a name that is not there is answered with the near ones.

    >>> Named("model", {"resnet20": 1})["resnet2"]
    Traceback (most recent call last):
    ValueError: Expected a model of ['resnet20']. Received: 'resnet2'. Did you mean 'resnet20'?
    """

    def __init__(self, kind: str, things: Mapping[str, object]):
        super().__init__(things)
        self.kind = kind

    def __missing__(self, name: object):
        raise unknown_name(self.kind, name, self)


def check_choice(kind: str, value: object, known: Iterable[str | None]) -> str | None:
    """One of the known names; else the error names the near ones."""
    known = list(known)
    if not (value is None or isinstance(value, str)) or value not in known:
        raise unknown_name(kind, value, known)
    return value


def check_count(name: str, value: int, lowest: int = 1, multiple: int = 1) -> int:
    """A whole number, or a multiple of one, that is large enough; as int."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or value < lowest or value % multiple:
        what = "a whole number" if multiple == 1 else f"a multiple of {multiple}"
        raise expected(f"{name} to be {what}, {lowest} or more", repr(value))
    return int(value)


def check_number(
    name: str, value: float, low: float = 0.0, high: float = 1.0, *, inside: str = "[]"
) -> float:
    """A finite number between two; as float. `inside` has ( or ) for an end left out."""
    real = isinstance(value, Real) and not isinstance(value, bool)
    if (
        not real
        or not math.isfinite(value)
        or not (low < value if inside[0] == "(" else low <= value)
        or not (value < high if inside[1] == ")" else value <= high)
    ):
        ends = f"{'above ' * (inside[0] == '(')}{low:g} to {'below ' * (inside[1] == ')')}{high:g}"
        raise expected(f"{name} as a number from {ends}", repr(value))
    return float(value)


def check_numbers(what: str, values: object, *shape: int | str) -> np.ndarray:
    """Finite numbers as an array of this shape, in which a word stands for any length."""
    array = _array(values)
    fits = array.ndim == len(shape) and array.size and array.dtype.kind in "iuf"
    lengths = zip(shape, array.shape, strict=False)
    if not fits or any(a != b and not isinstance(a, str) for a, b in lengths):
        received = _described(values, array)
    elif np.isfinite(array).all():
        return array
    else:
        received = _not_finite(array)
    raise expected(f"{what} as finite numbers of shape ({', '.join(map(str, shape))})", received)


def check_finite(wanted: str, outputs: np.ndarray) -> np.ndarray:
    """What a network returned, if all of it is finite."""
    if not np.isfinite(outputs).all():
        raise expected(wanted, f"{_not_finite(outputs)}, as after a training that diverged")
    return outputs


def _not_finite(array: np.ndarray) -> str:
    return f"{np.mean(~np.isfinite(array)):.1%} of them not finite"


def check_seed(seed: int) -> int:
    """A whole number from 0 to 2**32 - 1, which is what NumPy and Keras take; as int."""
    if check_count("seed", seed, lowest=0) >= 2**32:
        raise expected("seed to be below 2**32", repr(seed))
    return int(seed)


def check_input_shape(input_shape: Sequence[int]) -> tuple[int, int, int]:
    """The shape of an image, (rows, columns, channels), each 1 at least; as a tuple of int."""
    if not isinstance(input_shape, (tuple, list)) or len(input_shape) != 3:
        raise expected("input_shape as (rows, columns, channels)", repr(input_shape))
    parts = zip(("rows", "columns", "channels"), input_shape, strict=True)
    rows, columns, channels = (check_count(f"{part} of input_shape", n) for part, n in parts)
    return rows, columns, channels


def check_pixels_left(model) -> None:
    """Raise a ValueError where a Keras model's pooling leaves nothing: Keras 3.13 lets it pass."""
    nodes = (node for layer in model.layers for node in layer._inbound_nodes[-1:])
    if any(0 in made.shape for node in nodes for made in node.outputs):
        raise ValueError("Expected maps of some pixels. Received: sizes of zero or negative ones.")


def check_mirrors(mirrors: Sequence[str] | None) -> None:
    """None, or a list of one URL at least."""
    if mirrors is None:
        return
    listed = isinstance(mirrors, (list, tuple)) and len(mirrors) > 0
    if not listed or not all(
        isinstance(m, str) and m.startswith(("http://", "https://")) for m in mirrors
    ):
        wanted = "mirrors as a list of URLs that begin with http:// or https://"
        raise expected(wanted, repr(mirrors))


def check_names(
    class_names: Iterable[str], count: int | None = None, what: str = "class_names"
) -> tuple[str, ...]:
    """Names of classes as text, in the order of the labels: each a string or a number.

    Any container with an order will do; a mapping must have the labels, 0, 1, 2 …, for keys,
    and is read by these. Names may be equal. With `count`, there must be so many.
    """
    if isinstance(class_names, Mapping):
        if set(class_names) != set(range(len(class_names))):
            hint = "Of {name: label}, take sorted(class_names, key=class_names.get)."
            raise expected(f"{what} with the labels 0, 1, 2 … as keys", class_names, hint)
        names = [class_names[label] for label in range(len(class_names))]
    elif isinstance(class_names, (str, bytes, set, frozenset)):
        wanted = f"{what} in the order of the labels, for example a list"
        raise expected(wanted, f"{type(class_names).__name__} {class_names!r}")
    else:
        try:
            names = list(class_names)
        except TypeError:
            raise expected(f"{what}, for example a list", repr(class_names)) from None
    if not names or not all(isinstance(name, (str, Real, np.bool_)) for name in names):
        raise expected(f"{what} as strings, one at least", _short(names))
    if count not in (None, len(names)):
        raise expected(f"{count} {what}", f"{len(names)}, {_short(names)}")
    return tuple(map(str, names))


def check_images(
    images: np.ndarray,
    image_shape: tuple[int, int, int] | None = None,
    *,
    dtypes: str = "uint8",
) -> np.ndarray:
    """Images as an array of shape (n, height, width, channels), n > 0, 1 or 3 channels.

    Whatever NumPy makes such an array of is taken: a list of images, or a tensor. With
    `image_shape`, each image must have that shape. `dtypes` is ``"uint8"``, ``"pixels"``
    (uint8, or floats from 0 to 1), or ``"any"`` (all that are numbers).
    """
    array = _array(images)
    shape, kind = array.shape, array.dtype.kind
    fits = array.ndim == 4 and shape[3] in CHANNELS and 0 not in shape
    typed = array.dtype == np.uint8
    if dtypes == "any":
        typed = kind in "ui" or (kind == "f" and bool(np.isfinite(array).all()))
    elif dtypes == "pixels" and kind == "f" and fits:
        typed = bool(array.min() >= 0 and array.max() <= 1)
    if fits and typed and image_shape in (None, shape[1:]):
        return array
    wanted = ", ".join(map(str, image_shape or ("height", "width", "1 or 3")))
    of = {"uint8": "uint8 array", "pixels": "array of uint8, or of floats from 0 to 1,"}
    raise expected(
        f"images as {'an' if dtypes != 'uint8' else 'a'} {of.get(dtypes, 'array of numbers')} "
        f"of shape (n, {wanted}), n at least 1",
        _described(images, array),
        _mend_images(images, array, fits, dtypes),
    )


def _mend_images(images: object, array: np.ndarray, fits: bool, dtypes: str) -> str:
    """How to make images of the right form of what came, if that can be guessed."""
    shape = array.shape
    if fits and array.dtype.kind in "if" and dtypes != "any":
        if dtypes == "pixels":
            high = array.max() if array.min() >= 0 else 0
            return "Pixels up to 255: images / 255." if 1 < high <= 255 else ""
        if array.dtype.kind == "f" and array.max() <= 1:
            return "Pixels go from 0 to 255: (255 * images).round().astype('uint8')."
        return "If its values go from 0 to 255: images.astype('uint8')."
    if hasattr(images, "element_spec") or hasattr(images, "__next__"):
        return (
            "Give its images as one array: np.concatenate([x for x, y in batches]), or np.stack "
            "if they come one by one."
        )
    if isinstance(images, tuple) and len(images) == 2 and np.ndim(images[0]) == 4:
        return "Of (images, labels), give the images."
    if array.ndim == 3 and 0 not in shape:
        one = "One image is a batch by images[None]."
        return one if shape[2] in CHANNELS else "Grey images are given by images[..., None]."
    if array.ndim == 4 and shape[1] in CHANNELS and not fits:
        return "Channels come last: np.moveaxis(images, 1, -1)."
    if array.ndim == 4 and shape[3] == 4:
        return "Without transparency: images[..., :3]."
    several = isinstance(images, (list, tuple)) and len({np.shape(i) for i in images}) > 1
    return "Images of several sizes have to be resized first." if several else ""


def check_labels(*labels: np.ndarray, num_classes: int | None = None) -> list[np.ndarray]:
    """All labels as int64 arrays of shape (n,), n > 0, of one length.

    They are whole numbers in whatever NumPy makes such arrays of. With `num_classes`, they
    must also lie from 0 to ``num_classes - 1``. Labels of shape (n, 1), as
    ``keras.datasets`` gives them, are refused: compared with predictions of shape (n,),
    NumPy broadcasts them to (n, n) and the accuracy is wrong.
    """
    arrays = []
    for values in labels:
        array = _array(values)
        if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "iu":
            raise expected(
                "labels as whole numbers of shape (n,), n at least 1",
                _described(values, array),
                _mend_labels(array),
            )
        if num_classes and (array.min() < 0 or array.max() >= num_classes):
            from_to = f"labels from {array.min()} to {array.max()}"
            raise expected(f"labels from 0 to {num_classes - 1}, of {num_classes} classes", from_to)
        arrays.append(array.astype(np.int64))
    check_lengths(*(f"{len(array)} labels" for array in arrays))
    return arrays


def check_texts_or_labels(*labels: np.ndarray) -> list[np.ndarray]:
    """Labels of any kind, text too, as arrays of shape (n,), n > 0, of one length."""
    arrays = [_array(values) for values in labels]
    for values, array in zip(labels, arrays, strict=True):
        if array.ndim != 1 or not array.size:
            wanted = "labels of shape (n,), n at least 1"
            raise expected(wanted, _described(values, array), _mend_labels(array))
    check_lengths(*(f"{len(array)} labels" for array in arrays))
    return arrays


def _mend_labels(array: np.ndarray) -> str:
    """How to make labels of the right form of what came, if that can be guessed."""
    if array.ndim == 2 and array.shape[1] == 1:
        return "Make a column flat: labels[:, 0]."
    if array.ndim == 2 and array.size:
        return "Rows, one-hot or of scores, become labels by labels.argmax(axis=1)."
    if array.ndim == 1 and array.dtype.kind in "fb" and array.size:
        return "If all are whole numbers: labels.astype(int)."
    if array.ndim == 1 and array.dtype.kind in "OU" and array.size:
        return "Number text by np.unique(labels, return_inverse=True)."
    return ""


def check_labelled(
    images: np.ndarray,
    labels: np.ndarray,
    num_classes: int | None = None,
    image_shape: tuple[int, int, int] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels as arrays of the forms above, one label for each image."""
    images = check_images(images, image_shape)
    (labels,) = check_labels(labels, num_classes=num_classes)
    check_lengths(f"{len(images)} images", f"{len(labels)} labels")
    return images, labels


def check_lengths(*counted: str) -> None:
    """Counts that must be equal, each with what it counts: "3 images"."""
    if len({count.partition(" ")[0] for count in counted}) > 1:
        kinds = list(dict.fromkeys(count.partition(" ")[2] for count in counted))
        wanted = f"as many {' as '.join(kinds)}" if len(kinds) > 1 else f"{kinds[0]} of one length"
        raise expected(wanted, ", ".join(counted))


def check_probabilities(probabilities: np.ndarray, classes: int | None = None) -> np.ndarray:
    """Probabilities as a float64 array of shape (n, classes), n > 0, rows that sum to 1."""
    array = _array(probabilities)
    if (
        array.ndim != 2
        or 0 in array.shape
        or array.dtype.kind not in "iuf"
        or classes not in (None, array.shape[1])
    ):
        wanted = f"probabilities as numbers of shape (n, {classes or 'classes'}), n at least 1"
        raise expected(wanted, _described(probabilities, array))
    array = array.astype(float)
    sums = array.sum(axis=1)
    if not np.allclose(sums, 1, atol=1e-3) or array.min() < 0:
        raise expected(
            "probabilities, none below 0, whose rows sum to 1",
            f"values from {array.min():.3g} to {array.max():.3g}, "
            f"sums from {sums.min():.3g} to {sums.max():.3g}",
            "Apply softmax to logits first.",
        )
    return array


def _array(values: object) -> np.ndarray:
    """What NumPy makes of it; an array without shape, of objects, if that is nothing useful."""
    nothing = np.empty((), dtype=object)
    if isinstance(values, np.ma.MaskedArray) and values.mask.any():
        return nothing  # NumPy would forget the mask
    try:
        return np.asarray(values)
    except Exception:  # ragged lists, tensors on a GPU, and what other packages raise
        return nothing


def _described(values: object, array: np.ndarray) -> str:
    """What came, in words that fit into an error."""
    kind = type(values).__name__
    if array.dtype == object and not array.ndim:
        return f"{kind} {_short(values)}"
    return f"{kind} of shape {array.shape} and dtype {array.dtype}"


def _short(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."
