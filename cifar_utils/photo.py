"""A photograph from anywhere, shown to a network of small images: ``classify_photo(path)``."""

import functools
import os
import threading
import warnings
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from PIL import Image, ImageOps, UnidentifiedImageError

from cifar_utils.checks import check_count, check_images, check_names, check_number, expected
from cifar_utils.data import CLASS_NAMES
from cifar_utils.evaluation import predict_probabilities

if TYPE_CHECKING:
    import keras

FORMATS = ("AVIF", "BMP", "GIF", "ICO", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
MEGAPIXELS = 150  # more is refused: reading takes 4 bytes a pixel of most files, at worst 20
KEPT = 256  # pixels of the shorter side, at least, that reading keeps of a large photograph
ORIENTATION = 0x0112  # the number of an EXIF entry
STRIP = 8  # rows of the reduced photograph that are converted at a time
NOT_SURE = "not sure"
ONE_AT_A_TIME = threading.Lock()  # memory is one, and so are the filters of warnings
File = str | os.PathLike | IO[bytes] | Image.Image | np.ndarray


@dataclass(frozen=True, kw_only=True)
class PhotoAnswer:
    """What a network makes of a photograph.

    Attributes
    ----------
    label : str
        The likeliest class, or ``"not sure"`` if its confidence is below the threshold.
    confidence : float
        Of the likeliest class, from 0 to 1.
    best : tuple of (str, float)
        The three likeliest classes, each with its confidence; fewer if there are fewer classes.
    probabilities : ndarray of float64, shape (classes,)
    views : ndarray of uint8, shape (5, rows, columns, 3)
        What the network saw: :func:`photo_views` of the photograph.
    photo : ndarray of uint8, shape (height, width, 3)
        The photograph as :func:`read_photo` gives it.
    """

    label: str
    confidence: float
    best: tuple[tuple[str, float], ...]
    probabilities: np.ndarray
    views: np.ndarray
    photo: np.ndarray

    def __str__(self) -> str:
        classes = ", ".join(f"{name} {share:.0%}" for name, share in self.best)
        return f"{NOT_SURE} ({classes})" if self.label == NOT_SURE else classes

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the photograph, the answer above it, and the three best classes as bars below.

        Names of more than 20 letters are cut.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            To draw on; otherwise on a new figure. A figure of several has room for the bars with
            ``layout="constrained"``.

        Returns
        -------
        matplotlib Axes
        """
        if ax is None:
            ax = plt.figure(figsize=(3.2, 4.2), layout="constrained").add_subplot()
        ax.imshow(self.photo)
        ax.set_axis_off()
        ax.set_title(_cut(self.label), fontweight="bold", parse_math=False)
        height, width, _ = self.photo.shape
        wide = max(1, 0.6 * height / width)  # bars of a tall photograph are wider than it
        tall = 0.36 * wide * width / height
        bars = ax.inset_axes(((1 - wide) / 2, -1.1 * tall, wide, tall))
        colours = ["0.75"] * len(self.best)
        if self.label != NOT_SURE:
            colours[0] = "#0072B2"
        shares = [share for _, share in self.best]
        bars.barh(range(len(shares)), shares, color=colours, height=0.8)
        for row, (name, share) in enumerate(self.best):
            inside = share > 0.6  # a word beside a long bar would leave the picture
            bars.text(
                0.02 if inside else share + 0.02,
                row,
                f"{_cut(name)}  {share:.0%}",
                va="center",
                color="white" if inside and colours[row] != "0.75" else "black",
                parse_math=False,
            )
        bars.set(xlim=(0, 1), ylim=(2.5, -0.5))
        bars.set_axis_off()
        return ax


def _cut(name: str) -> str:
    return name if len(name) <= 20 else f"{name[:19]}…"


def read_photo(file: File) -> np.ndarray:
    """A photograph of any size and mode as upright RGB pixels. Taught in notebook 09.

    It is turned as its EXIF data say. Transparent parts become white, 16 bits a channel become
    8, grey and CMYK become RGB. Of an animation or a file of several pages, the first picture is
    taken. A large photograph is averaged down while it is read, so that memory stays bounded.

    Parameters
    ----------
    file : path, binary file, PIL image, or ndarray of uint8, shape (height, width, 1 or 3)
        JPEG, PNG, WebP, GIF, TIFF, BMP, AVIF or another of ``FORMATS``.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        The shorter side is as it was, if it had fewer than 512 pixels, or 256 to 511.

    Raises
    ------
    ValueError
        If there is no such file, it is none of these formats, it is damaged or empty, its pixels
        have no agreed meaning (such as floating-point numbers), or there are more than 150
        megapixels.

    Examples
    --------
    >>> read_photo(Image.new("L", (3000, 2000), "white")).shape
    (286, 429, 3)
    """
    with ONE_AT_A_TIME, warnings.catch_warnings():  # Pillow's, of large sizes and odd EXIF data
        warnings.simplefilter("ignore")
        return _read(file)


def _read(file: File) -> np.ndarray:
    if isinstance(file, np.ndarray):
        (pixels,) = check_images(file[None])
        file = Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)
    if isinstance(file, Image.Image):
        return _pixels(file, "this image as a photograph")
    path = isinstance(file, (str, os.PathLike))
    if not path and not hasattr(file, "read"):
        hint = "Bytes become a file by io.BytesIO(data)." if isinstance(file, bytes) else ""
        wanted = "a path, a binary file, a PIL image or an array as a photograph"
        raise expected(wanted, type(file).__name__, hint)
    wanted = f"{file if path else getattr(file, 'name', file)} as a photograph"
    Image.init()
    readable = [name for name in FORMATS if name in Image.OPEN]  # not all Pillows can do all
    try:
        image = Image.open(file, formats=readable)
    except UnidentifiedImageError:
        hint = f"Readable are {', '.join(readable)}: save it as one of these."
        raise expected(wanted, "a file of another kind, or an empty one", hint) from None
    except Image.DecompressionBombError as error:
        raise expected(f"{wanted} of at most {MEGAPIXELS} megapixels", error) from None
    except FileNotFoundError:
        raise expected(wanted, "no such file") from None
    except Exception as error:  # a folder, no rights, and what damage makes of a header
        raise expected(wanted, f"{type(error).__name__}: {error}") from None
    with image:
        return _pixels(image, wanted, ours=True)


def _pixels(image: Image.Image, wanted: str, *, ours: bool = False) -> np.ndarray:
    """Check a photograph, and read it; one that is ours to change may be read coarsely."""
    width, height = image.size
    if not width or not height:
        raise expected(wanted, f"{width} x {height} pixels")
    if width * height > MEGAPIXELS * 1e6:
        received = f"{width} x {height}, {width * height / 1e6:.0f} megapixels"
        raise expected(f"{wanted} of at most {MEGAPIXELS} megapixels", received, "Make it smaller.")
    wide = image.mode == "I" and image.format not in ("PNG", "PPM")  # these have 16 bits of 32
    if wide or image.mode in ("F", "LAB", "HSV", "La"):
        hint = "Convert it to RGB of 8 bits first."
        raise expected(f"{wanted} in grey, RGB or CMYK", f"mode {image.mode}", hint)
    try:
        if ours:  # JPEG decodes at an eighth of its size, if that is enough
            image.draft(None, (KEPT, KEPT))
        image.load()
        factor = max(1, min(image.size) // KEPT)
        small = Image.new("RGB", (-(-image.width // factor), -(-image.height // factor)))
        for top in range(0, image.height, factor * STRIP):
            box = (0, top, image.width, min(top + factor * STRIP, image.height))
            small.paste(_rgb(image.crop(box), factor), (0, top // factor))
        small.getexif()[ORIENTATION] = _orientation(image)
        ImageOps.exif_transpose(small, in_place=True)
        return np.array(small)
    except Exception as error:  # whatever damage makes of a decoder
        raise expected(wanted, f"{type(error).__name__}: {error}", "Is it damaged?") from None


def _orientation(image: Image.Image) -> int:
    """How a loaded photograph is to be turned, by EXIF's numbers; damaged EXIF says nothing."""
    try:
        return image.getexif().get(ORIENTATION, 1)  # loading has turned a TIFF already
    except Exception:
        return 1


def _rgb(strip: Image.Image, factor: int) -> Image.Image:
    """A part of a photograph in RGB, averaged over squares of `factor` pixels."""
    if strip.mode.startswith("I"):  # 16 bits, in one of five orders of bytes
        grey = np.asarray(strip).astype(np.int64) // 257
        strip = Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))
    if strip.mode in ("LA", "PA", "RGBA", "RGBa") or "transparency" in strip.info:
        strip = strip.convert("RGBA").reduce(factor)
        white = Image.new("RGBA", strip.size, "white")
        return Image.alpha_composite(white, strip).convert("RGB")
    return strip.convert("RGB").reduce(factor)


def photo_views(photo: np.ndarray, size: tuple[int, int] = (32, 32)) -> np.ndarray:
    """Five small versions of a photograph, as a network of small images needs them.

    Taught in notebook 09. The things that CIFAR-10 shows fill their images. Where the thing is in
    a photograph we do not know, so we look five times: at all of it, squeezed into a square; at
    the square in its middle, and at those at both ends; and, closer, at the middle of the middle.

    Parameters
    ----------
    photo : ndarray of uint8, shape (height, width, 1 or 3)
    size : (int, int)
        Rows and columns of the versions.

    Returns
    -------
    ndarray of uint8, shape (5, rows, columns, 3)

    Raises
    ------
    ValueError
        If the photograph is not of this form, or the size not two whole numbers.

    Examples
    --------
    >>> photo_views(np.zeros((300, 400, 3), "uint8")).shape
    (5, 32, 32, 3)
    """
    if not isinstance(size, (tuple, list)) or len(size) != 2:
        raise expected("size as (rows, columns)", repr(size))
    rows, columns = (check_count("a side of size", side) for side in size)
    image = Image.fromarray(read_photo(photo))
    width, height = image.size
    side = min(width, height)
    squares = [((width - side) * place, (height - side) * place, side) for place in (0.5, 0.0, 1.0)]
    (left, top, _), near = squares[0], 0.8 * side
    squares.append((left + (side - near) / 2, top + (side - near) / 2, near))
    boxes = [(0, 0, width, height), *((x, y, x + part, y + part) for x, y, part in squares)]
    return np.stack(
        [np.asarray(image.resize((columns, rows), Image.Resampling.BOX, box)) for box in boxes]
    )


def classify_photo(
    file: File,
    model: "str | keras.Model" = "fast_cnn_large",
    *,
    class_names: object = CLASS_NAMES,
    temperature: float | None = None,
    threshold: float | None = None,
) -> PhotoAnswer:
    """What a photograph shows, how sure the network is, or "not sure". Taught in notebook 09.

    The network sees the :func:`photo_views` of the photograph, each in six variants, and its
    probabilities are averaged.

    Parameters
    ----------
    file : path, binary file, PIL image, or ndarray
        As for :func:`read_photo`.
    model : str or keras.Model
        One of ``pretrained.TRAINED``, or a network of yours that takes RGB pixels from 0 to 255,
        of one size, and returns logits.
    class_names : names in the order of the labels
        Of the model's classes.
    temperature, threshold : float, optional
        The logits are divided by the temperature; below the threshold of confidence, from 0 to 1,
        the answer is "not sure". A trained network of this package brings both; for one of yours
        they are 1 and 0 unless you say more: see ``evaluation.fit_temperature`` and
        ``evaluation.confidence_threshold``.

    Returns
    -------
    PhotoAnswer
        Its ``plot()`` draws it.

    Raises
    ------
    ValueError
        As :func:`read_photo`; if there is no such network, it takes something else than RGB
        images of one size, or there are not as many names as classes.

    Notes
    -----
    "Not sure" catches many photographs of things outside the classes, but not all: a network
    that knows ten things has never seen an eleventh.

    Examples
    --------
    >>> answer = classify_photo(Image.new("RGB", (400, 300), "skyblue"))
    >>> answer.label in ("not sure", *CLASS_NAMES)
    True
    """
    if isinstance(model, str):
        from cifar_utils.pretrained import TRAINED

        about = TRAINED[model]
        temperature = about.temperature if temperature is None else temperature
        threshold = about.threshold if threshold is None else threshold
        model = _trained(model)
    threshold = check_number("threshold", 0.0 if threshold is None else threshold)
    shape = tuple(getattr(model, "input_shape", ()))
    if len(shape) != 4 or None in shape[1:] or shape[3] != 3:
        raise expected("a network of RGB images of one size", f"input_shape {shape}")
    photo = read_photo(file)
    views = photo_views(photo, shape[1:3])
    temperature = 1.0 if temperature is None else temperature
    probabilities = predict_probabilities(model, views, views=6, temperature=temperature)
    mean = probabilities.mean(axis=0)
    names = check_names(class_names, len(mean))
    best = tuple((names[k], float(mean[k])) for k in np.argsort(-mean, kind="stable")[:3])
    (label, confidence), *_ = best
    return PhotoAnswer(
        label=label if confidence >= threshold else NOT_SURE,
        confidence=confidence,
        best=best,
        probabilities=mean,
        views=views,
        photo=photo,
    )


@functools.cache
def _trained(name: str) -> "keras.Model":
    from cifar_utils.pretrained import load_trained

    return load_trained(name)
