"""The plots of the series: image grids, learning curves, confusion matrix, mistakes, maps.

Every function draws on ``ax``, or on a new figure without one, and returns what it
drew on. Give it ``data_name=data.name`` and the plot says which images it is about.
"""

import contextlib
import math
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.textpath import TextPath
from matplotlib.ticker import MaxNLocator, PercentFormatter, ScalarFormatter
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix
from sklearn.utils.multiclass import unique_labels

from cifar_utils.checks import (
    check_choice,
    check_count,
    check_images,
    check_labels,
    check_lengths,
    check_names,
    check_numbers,
    check_probabilities,
    check_texts_or_labels,
    expected,
)

MOST = 3_000  # images on a map: the time grows with the cube of their number
TITLE, SMALLEST = 7.5, 5.0  # sizes of text in points: of a picture's title, and that can be read


def _check_axes(ax: Axes | None, *, images: bool = True) -> None:
    """ValueError unless plots can be drawn on these, if any."""
    if ax is not None and not isinstance(ax, Axes):
        hint = "Of plt.subplots(1, 2), give one: axes[0]." if isinstance(ax, np.ndarray) else ""
        raise expected("ax as Matplotlib's Axes", type(ax).__name__, hint)
    if ax is not None and (ax.name != "rectilinear" or ax.figure is None):
        raise expected("ax as plain Axes of a figure", f"{ax.name} ones, or ones removed from it")
    if ax is not None and images and not {ax.get_xscale(), ax.get_yscale()} == {"linear"}:
        raise expected("ax with linear scales", f"{ax.get_xscale()} and {ax.get_yscale()}")


@contextlib.contextmanager
def _canvas(
    ax: Axes | None,
    width: float,
    height: float,
    margins: tuple[float, float, float, float] = (0.75, 0.6, 0.2, 0.2),
    *,
    images: bool = True,
) -> Iterator[Axes]:
    """The Axes to draw on, or those of a new figure; what fails leaves nothing behind.

    Width and height, and the margins on the left, below, on the right and above, are in inches.
    A new figure has no layout engine, so that every one can follow.
    """
    _check_axes(ax, images=images)
    before = None if ax is None else set(ax.get_children())
    if ax is None:
        left, below, right, above = margins
        wide, high = left + width + right, below + height + above
        with plt.rc_context({"figure.autolayout": False, "figure.constrained_layout.use": False}):
            figure, ax = plt.subplots(figsize=(wide, high))
        figure.subplots_adjust(left / wide, below / high, 1 - right / wide, 1 - above / high)
    try:
        yield ax
    except BaseException:
        if before is None:
            plt.close(ax.figure)
        else:
            for artist in set(ax.get_children()) - before:
                artist.remove()
        raise


def _as_it_is(*texts: Any) -> None:
    """Have dollars and backslashes of other people's names shown, not typeset."""
    plt.setp(texts, parse_math=False, usetex=False)


def _width(text: str) -> float:
    """Of a text, as a multiple of its size."""
    if not text.strip():
        return 0.0
    return TextPath((0, 0), text.replace("$", "S"), size=1, usetex=False).get_extents().width


def label_source(ax: Axes, data_name: str | None, *, above: bool = False) -> None:
    """Write the name of the data in small letters under the lower right corner.

    With `above`, over the upper right one: for plots whose tick labels need the room below.
    """
    if not data_name or data_name in [text.get_text() for text in ax.texts]:
        return
    if above:
        text = ax.set_title(data_name, fontsize=8, loc="right")
    else:
        text = ax.annotate(
            data_name,
            xy=(1, 0),
            xycoords="axes fraction",
            xytext=(0, -26 if ax.axison else -4),
            textcoords="offset points",
            ha="right",
            va="top",
            fontsize=8,
        )
    text.set_alpha(0.7)
    _as_it_is(text)


def plot_images(
    images: np.ndarray,
    titles: Sequence[str] | None = None,
    *,
    columns: int = 10,
    data_name: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Show images in a grid, each under its title.

    Parameters
    ----------
    images : ndarray, shape (n, height, width, 1 or 3)
        uint8 from 0 to 255, or floats from 0 to 1; grey with one channel.
    titles : sequence of n, optional
        Long ones are broken into lines.
    columns : int
        Images in a row.
    data_name : str, optional
        Written under the grid.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If `images` is not of the form above, `titles` has another length, or there is no
        column.
    """
    columns = check_count("columns", columns)
    images = check_images(images, dtypes="pixels")
    if images.dtype == np.uint8:
        images = images / 255
    n, height, width, _ = images.shape
    titles = None if titles is None else check_names(titles, n, "titles")
    columns = min(columns, n)
    rows = -(-n // columns)
    gap = max(1, width // 16)
    inches = 0.95  # a column, on a figure of our own
    _check_axes(ax)
    if ax is not None:
        inches = ax.get_window_extent().width / ax.figure.dpi / columns
    points = 72 * inches / (width + gap)  # a pixel
    size = min(TITLE, max(SMALLEST, 72 * inches / 9))
    if titles is not None:
        titles = ["\n".join(_wrapped(title, 70 * inches / size)) for title in titles]
    lines = max((title.count("\n") + 1 for title in titles or [] if title), default=0)
    head = gap + round(1.25 * size * lines / points)
    # Transparent between the images, so that it suits any background.
    sheet = np.zeros((rows * (height + head), columns * (width + gap), 4))
    corners = [
        ((i // columns) * (height + head) + head, (i % columns) * (width + gap)) for i in range(n)
    ]
    for image, (top, left) in zip(images, corners, strict=True):
        sheet[top : top + height, left : left + width, :3] = image
        sheet[top : top + height, left : left + width, 3] = 1
    size_in_inches = columns * inches, sheet.shape[0] * inches / (width + gap)
    with _canvas(ax, *size_in_inches, (0.05, 0.25 if data_name else 0.05, 0.05, 0.05)) as ax:
        for title, (top, left) in zip(titles or [], corners, strict=False):
            place = left + width / 2, top - 1.5
            _as_it_is(ax.text(*place, title, ha="center", va="bottom", fontsize=size))
        ax.imshow(sheet, interpolation="nearest", origin="upper", aspect="equal")
        ax.set(xlim=(-0.5, sheet.shape[1] - 0.5), ylim=(sheet.shape[0] - 0.5, -0.5))
        ax.axis("off")
        label_source(ax, data_name)
    return ax


def _wrapped(title: str, width: float) -> Iterator[str]:
    """The lines of a title, none longer than this multiple of their size."""
    for line in title.split("\n"):
        letters = int(width * len(line) / max(_width(line), 1e-9))
        yield from textwrap.wrap(line, max(letters, 5)) or [""]


def plot_learning_curves(
    history: Mapping[str, Sequence[float]],
    metric: str = "accuracy",
    *,
    label: str | None = None,
    validation_freq: int | Sequence[int] | None = None,
    data_name: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a metric over the epochs, on the training and on the validation images.

    Parameters
    ----------
    history : History or mapping of str to sequence of float
        What Keras' ``fit`` returns, or its ``history``: a value an epoch. A ``Run`` of this
        package has one, too.
    metric : str
        A key of `history`, of the training images. Its ``val_`` twin is drawn, dashed, where
        there is one.
    label : str, optional
        Whose curves these are, for the legend. Without, a second history on the same Axes
        is numbered.
    validation_freq : int or sequence of int, optional
        As given to ``fit``: every how many epochs, or after which, counted from 1, there was
        a validation. Needed only where the number of values does not tell.
    data_name : str, optional
        Written under the plot.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If `history` has no such metric, or its values can't be told to epochs.
    """
    values, epochs = _values_and_epochs(history)
    known = sorted(str(key) for key in values if not str(key).startswith("val_"))
    check_choice("metric", metric, known)
    curves = {"training": _curve(values[metric], metric)}
    places = {"training": epochs or list(range(1, len(curves["training"]) + 1))}
    check_lengths(f"{len(places['training'])} epochs", f"{len(curves['training'])} values")
    if (twin := f"val_{metric}") in values:
        curves["validation"] = _curve(values[twin], twin)
        count = len(curves["validation"])
        places["validation"] = _validated(places["training"], count, validation_freq)
    letter = plt.rcParams["font.size"] / 72
    with _canvas(ax, 4.2, 2.7, (7 * letter, 4.5 * letter, 0.2, 0.2), images=False) as ax:
        drawn = len({line.get_gid() for line in ax.lines} - {None}) + 1
        whose = f"{label}, " if label else f"{drawn}: " if drawn > 1 else ""
        marks = ("o-", "s--") if len(places["training"]) <= 50 else ("-", "--")
        for (part, curve), style in zip(curves.items(), marks, strict=False):
            options = {"markersize": 4, "label": f"{whose}{part}", "gid": f"history {drawn}"}
            ax.plot(places[part], curve, style, **options)
        ax.set(xlabel="epoch", ylabel=metric)
        formatter = ax.yaxis.get_major_formatter
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if drawn == 1 and "accuracy" in metric and np.nanmax([*curves["training"], 0]) <= 1:
            ax.yaxis.set_major_formatter(PercentFormatter(1))
        elif "accuracy" not in metric and isinstance(formatter(), PercentFormatter):
            ax.yaxis.set_major_formatter(ScalarFormatter())  # that of an accuracy drawn before
        ax.grid(visible=True, alpha=0.3)
        _as_it_is(*ax.legend().get_texts())
        label_source(ax, data_name)
    return ax


def _values_and_epochs(history: object) -> tuple[Mapping, list[int]]:
    """The values by their keys, and the epochs, counted from 1, if they are told."""
    values = getattr(history, "history", history)
    if not isinstance(values, Mapping):
        wanted = "history as what fit returns, or a mapping of metrics to their values"
        raise expected(wanted, type(history).__name__)
    return values, [int(epoch) + 1 for epoch in getattr(history, "epoch", None) or []]


def _curve(values: Sequence[float], key: str) -> np.ndarray:
    with contextlib.suppress(TypeError, ValueError):
        if isinstance(values, np.ma.MaskedArray):
            values = values.filled(np.nan)
        curve = np.asarray(values)
        if curve.ndim == 1 and len(curve) and curve.dtype.kind in "biuf":
            return curve.astype(float)
    raise expected(f"{key} as numbers, one an epoch, one at least", repr(values))


def _validated(epochs: list[int], count: int, freq: int | Sequence[int] | None) -> list[int]:
    """After which epochs the validation gave so many values."""
    hint = "Say after which epochs by validation_freq, as given to fit."
    if freq is None:
        found = [[e for e in epochs if e % every == 0] for every in range(1, max(epochs) + 1)]
        fitting = [places for places in found if len(places) == count]
        if not fitting or any(places != fitting[0] for places in fitting):
            wanted = f"a validation in every epoch, or every so many, of {len(epochs)}"
            raise expected(wanted, f"{count} values", hint)
        return fitting[0]
    if np.iterable(freq):
        after = [check_count("each of validation_freq", epoch) for epoch in freq]
        places = [e for e in epochs if e in after]
    else:
        every = check_count("validation_freq", freq)
        places = [e for e in epochs if e % every == 0]
    if len(places) != count:
        wanted = f"{len(places)} values of validation, with validation_freq={freq!r}"
        raise expected(wanted, f"{count} in {len(epochs)} epochs")
    return places


def plot_confusion_matrix(
    y_true: np.ndarray,
    y_pred: np.ndarray,
    *,
    class_names: Sequence[str] | None = None,
    labels: Sequence | None = None,
    sample_weight: Sequence[float] | None = None,
    normalize: str | None = "true",
    display_labels: Sequence[str] | None = None,
    include_values: bool | None = None,
    xticks_rotation: str | float | None = None,
    values_format: str | None = None,
    cmap: Any = "cividis",
    ax: Axes | None = None,
    colorbar: bool = True,
    im_kw: dict | None = None,
    text_kw: dict | None = None,
    hide_diagonal: bool = False,
    data_name: str | None = None,
) -> ConfusionMatrixDisplay:
    """Draw the confusion matrix: a row a true class, a column a predicted one.

    Everything that ``ConfusionMatrixDisplay.from_predictions`` of scikit-learn takes is taken
    here, and means the same; what is not given is chosen by the number of classes and the room.

    Parameters
    ----------
    y_true, y_pred : ndarray, shape (n,)
        Integers, indices into `class_names`. Without these, any labels of scikit-learn.
    class_names : sequence of str, optional
        All classes; each gets its row and column, also where no image has it. Without, the
        labels that occur.
    labels : sequence, optional
        Which labels to show, in which order.
    sample_weight : sequence of float, shape (n,), optional
        What each pair counts for.
    normalize : {"true", "pred", "all", None}
        Shares of the row, the column or the whole, or counts.
    display_labels : sequence of str, optional
        Other names of the labels shown.
    include_values : bool, optional
        Write the numbers into the cells. By default, where they can be read.
    xticks_rotation : {"vertical", "horizontal"} or float, optional
        By default, 45 degrees, and upright for many classes or long names.
    values_format : str, optional
        By default, two decimals of shares, and counts in full.
    cmap, colorbar, im_kw, text_kw
        As for scikit-learn.
    hide_diagonal : bool
        Leave out the right answers, so that the colours tell the confusions apart.
    ax : Axes, optional
        Without, a new figure, the larger the more classes there are.
    data_name : str, optional
        Written above the plot, at its right end.

    Returns
    -------
    sklearn.metrics.ConfusionMatrixDisplay
        ``confusion_matrix`` holds the numbers, ``ax_`` the Axes.

    Raises
    ------
    ValueError
        If the labels are not of the form above, or not of one length, or an option is none.
    """
    check_choice("normalize", normalize, ("true", "pred", "all", None))
    if class_names is not None:
        class_names = check_names(class_names)
        y_true, y_pred = check_labels(y_true, y_pred, num_classes=len(class_names))
        labels = list(range(len(class_names)) if labels is None else labels)
        (shown,) = check_labels(labels, num_classes=len(class_names))
        if display_labels is None:
            display_labels = [class_names[label] for label in shown]
    y_true, y_pred = check_texts_or_labels(y_true, y_pred)
    try:
        if isinstance(labels, (set, frozenset)):
            raise ValueError("a set, which has no order")
        labels = unique_labels(y_true, y_pred) if labels is None else list(labels)
        if len(set(labels)) < len(labels):
            raise ValueError(f"some twice: {labels}")
        options = {"labels": labels, "sample_weight": sample_weight, "normalize": normalize}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that there is but one label
            matrix = confusion_matrix(y_true, y_pred, **options)
    except (ValueError, TypeError) as error:
        raise expected("labels and weights as scikit-learn takes them", error) from error
    if display_labels is None:
        names = check_names(labels, len(matrix), "labels")
    else:
        names = check_names(display_labels, len(matrix), "display_labels")
    shares = normalize is not None
    if values_format is None and (shares or matrix.dtype.kind != "f"):
        values_format = ".2f" if shares else "d"
    for name, given in (("im_kw", im_kw), ("text_kw", text_kw)):
        if not isinstance(given, (Mapping, type(None))):
            raise expected(f"{name} as a mapping", repr(given))
    # The darkest colour is nothing; weights may be below it.
    if (im_kw is None or "norm" not in im_kw) and matrix.min() >= 0:
        im_kw = {"vmin": 0} | dict(im_kw or {})
    options = {"cmap": cmap, "im_kw": im_kw, "text_kw": text_kw, "values_format": values_format}
    whose = {"true": "the true class", "pred": "the predicted class", "all": "all images"}
    return _draw_matrix(
        ConfusionMatrixDisplay(matrix, display_labels=names),
        options,
        unit=f"share of {whose[normalize]}" if shares else "images",
        include_values=include_values,
        rotation=xticks_rotation,
        colorbar=colorbar,
        hide_diagonal=hide_diagonal,
        data_name=data_name,
        ax=ax,
    )


def _draw_matrix(
    display: ConfusionMatrixDisplay,
    options: dict[str, Any],
    *,
    unit: str,
    include_values: bool | None,
    rotation: str | float | None,
    colorbar: bool,
    hide_diagonal: bool,
    data_name: str | None,
    ax: Axes | None,
) -> ConfusionMatrixDisplay:
    """The display, drawn as large as can be read."""
    n, longest = len(display.display_labels), max(map(_width, display.display_labels))
    numbers = _numbers(display.confusion_matrix, rotation, options)
    side = min(4.6 + 0.16 * max(0, n - 10), 12)  # of the matrix on a figure of our own, in inches
    letter = plt.rcParams["font.size"] / 72  # of the labels of axes and colour bar
    room = 1.05 * longest * 9 / 72 + 0.25 + 1.8 * letter  # of the names and a label
    bar_room = 0.06 * side + (max(map(_width, numbers)) + 3.5) * letter
    margins = room, room, bar_room, 0.3
    with _canvas(ax, side, side, margins) as canvas:
        figure = canvas.figure
        if ax is not None:
            extent = ax.get_window_extent()
            side = min(extent.width, extent.height) / figure.dpi
            if figure.get_layout_engine():  # which will make room
                side = max(side - room, side / 4)
            elif colorbar:  # which will take a fifth
                side = min(0.8 * extent.width, extent.height) / figure.dpi
        cell = 72 * side / n  # in points
        if rotation is None:
            rotation = 0 if longest * 9 < 0.9 * cell else 45 if longest < 8 and n <= 20 else 90
        size = min(8.0, 0.9 * cell / max(map(_width, numbers)), 0.75 * cell)
        if include_values is None:
            include_values = size >= SMALLEST
        text_kw = options["text_kw"] or {}
        if not {"size", "fontsize", "font", "font_properties", "fontproperties"} & set(text_kw):
            text_kw = {"fontsize": max(size, 1)} | text_kw
        options["text_kw"] = text_kw
        chosen = {"include_values": include_values, "xticks_rotation": rotation}
        canvas.set_xlim(-0.5, n - 0.5)
        whole, diagonal = display.confusion_matrix, np.eye(n, dtype=bool)
        if hide_diagonal:  # colours are chosen as if nobody were right
            display.confusion_matrix = np.where(diagonal, 0, whole)
        display.plot(ax=canvas, colorbar=False, **chosen, **options)
        display.confusion_matrix = whole
        if hide_diagonal:
            display.im_.set_data(np.ma.masked_where(diagonal, whole))
            for text in [] if display.text_ is None else display.text_.diagonal():
                text.set_visible(False)
        canvas.set(xlabel="predicted class", ylabel="true class")
        canvas.minorticks_off()
        canvas.grid(visible=False)
        every = math.ceil(1.2 * SMALLEST / cell)  # so many names, one can be read
        names = range(0, n, every), display.display_labels[::every]
        canvas.set_xticks(*names, rotation=rotation)
        canvas.set_yticks(*names)
        canvas.tick_params(labelbottom=True, labelleft=True, labelsize=min(9, 0.85 * cell * every))
        _as_it_is(*canvas.get_xticklabels(), *canvas.get_yticklabels())
        if rotation == 45:
            plt.setp(canvas.get_xticklabels(), ha="right", rotation_mode="anchor")
        if colorbar:
            # A layout engine can move a child of the Axes, whichever it is. Without one, the bar
            # has to take its room from them.
            inset = ax is None or figure.get_layout_engine() is not None
            place = {"cax": canvas.inset_axes((1.03, 0, 0.045, 1))} if inset else {"ax": canvas}
            bar = figure.colorbar(display.im_, **place)
            bar.ax.grid(visible=False)
            bar.set_label(unit)
        label_source(canvas, data_name, above=True)
    return display


def _numbers(matrix: np.ndarray, rotation: str | float, options: dict[str, Any]) -> list[str]:
    """The texts of the cells, each once; ValueError if an option is none, before it is drawn."""
    try:
        trial = ConfusionMatrixDisplay(matrix[:1, :1])  # one cell that nobody sees
        trial.plot(
            ax=Figure().add_subplot(),
            xticks_rotation=0 if rotation is None else rotation,
            **options,
        )
        trial.figure_.draw_without_rendering()
        return list({format(value, options["values_format"] or ".2g") for value in matrix.flat})
    except Exception as error:  # whatever Matplotlib says
        raise expected("options as scikit-learn's display takes them", error) from error


def plot_mistakes(
    images: np.ndarray,
    y_true: np.ndarray,
    probabilities: np.ndarray,
    *,
    class_names: Sequence[str],
    count: int = 20,
    columns: int = 10,
    data_name: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Show the wrongly classified images that the model was most sure of.

    Parameters
    ----------
    images : ndarray, shape (n, height, width, 1 or 3)
        uint8 from 0 to 255, or floats from 0 to 1.
    y_true : ndarray of integers, shape (n,)
    probabilities : ndarray of float, shape (n, classes)
        Each row sums to 1: probabilities, not logits.
    class_names : sequence of str
        In the order of the labels.
    count : int
        Show at most this many, each under the class it was taken for, how sure the model was,
        and the class it has. Where all images are right, the plot says so.
    columns, data_name, ax
        As for :func:`plot_images`.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If an array is not of the form above, or nothing is to be shown.
    """
    names = check_names(class_names)
    images = check_images(images, dtypes="pixels")
    (y_true,) = check_labels(y_true, num_classes=len(names))
    probabilities = check_probabilities(probabilities, len(names))
    count = check_count("count", count)
    rows = f"{len(probabilities)} rows of probabilities"
    check_lengths(f"{len(images)} images", f"{len(y_true)} labels", rows)
    y_pred = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(y_pred != y_true)
    if not len(wrong):
        with _canvas(ax, 4, 1) as ax:
            ax.text(0.5, 0.5, f"no mistakes in {len(images):,} images", ha="center", va="center")
            ax.axis("off")
            label_source(ax, data_name)
        return ax
    sure = probabilities[wrong, y_pred[wrong]]
    worst = wrong[np.argsort(-sure, kind="stable")[:count]]
    titles = [
        f"{names[y_pred[i]]} {probabilities[i, y_pred[i]]:.0%}\nis {names[y_true[i]]}"
        for i in worst
    ]
    return plot_images(images[worst], titles, columns=columns, data_name=data_name, ax=ax)


@np.errstate(all="ignore")
def overlay_heat(images: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Grey images that glow where the evidence lies. Taught in notebook 07.

    Parameters
    ----------
    images : ndarray, shape (n, height, width, 1 or 3)
        uint8 from 0 to 255, or floats from 0 to 1.
    heat : ndarray of numbers, shape (n, height, width)
        Of ``explain.grad_cam`` or ``explain.occlusion``: from 0, no glow, to 1. What is below
        or above counts as 0 or 1. Small values show more if divided by the largest.

    Returns
    -------
    ndarray of float, shape (n, height, width, 3)
        From 0 to 1, for :func:`plot_images`.

    Raises
    ------
    ValueError
        If the arrays are not of the form above.

    Examples
    --------
    >>> overlay_heat(np.zeros((1, 2, 2, 3), "uint8"), np.zeros((1, 2, 2))).shape
    (1, 2, 2, 3)
    """
    images = check_images(images, dtypes="pixels")
    images = images / 255 if images.dtype == np.uint8 else images
    heat = np.clip(check_numbers("heat", heat, *images.shape[:3]), 0.0, 1.0)
    grey = images @ [0.299, 0.587, 0.114] if images.shape[-1] == 3 else images[..., 0]
    glow = 0.7 * heat[..., None]
    mixed = (1 - glow) * 0.8 * grey[..., None] + glow * plt.colormaps["inferno"](heat)[..., :3]
    return np.clip(mixed, 0, 1)


@np.errstate(all="ignore")
def plot_feature_maps(
    maps: Mapping[str, np.ndarray],
    *,
    image: int = 0,
    count: int = 8,
    data_name: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Show what each layer makes of an image: a row a layer, its strongest maps first.

    Parameters
    ----------
    maps : mapping of str to ndarray of numbers, shape (n, rows, columns, channels)
        By the layers' names, as ``explain.feature_maps`` returns them.
    image : int
        Of which of the n images.
    count : int
        Show so many maps of each layer, or as many as the smallest one has: those that reach
        the highest values, under their channels' numbers. Black is zero and below; white is
        the map's own highest value.
    data_name, ax
        As for :func:`plot_images`.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If `maps` is not of the form above, or there is no such image, or nothing to be shown.
    """
    count, image = check_count("count", count), check_count("image", image, lowest=0)
    if not isinstance(maps, Mapping) or not maps:
        raise expected("maps as a mapping of layers' names to arrays", type(maps).__name__)
    form = "n", "rows", "columns", "channels"
    layers = {name: check_numbers(f"maps of {name}", maps[name], *form) for name in maps}
    shapes = np.array([values.shape for values in layers.values()])
    if image >= shapes[:, 0].min():
        raise expected(f"image below {shapes[:, 0].min()}, the number of them", image)
    count = min(count, shapes[:, 3].min())
    largest = shapes[:, 1:3].max(axis=0)
    height, width = largest * -(-64 // largest.max())  # one size for all
    pictures, titles = [], []
    for name, values in layers.items():
        values = np.maximum(values[image], 0.0)
        strongest = np.argsort(-values.max(axis=(0, 1)), kind="stable")[:count]
        rows, columns, _ = values.shape
        # Squares of one shade, so that one sees how coarse they are.
        row, column = np.arange(height) * rows // height, np.arange(width) * columns // width
        for channel in strongest:
            shown = values[row][:, column, channel, None]
            pictures.append(shown / max(shown.max(), 1e-30))
        heads = [name, f"{rows} × {columns}", *[""] * count]
        titles += [f"{head}\n{channel}" for head, channel in zip(heads, strongest, strict=False)]
    return plot_images(np.stack(pictures), titles, columns=count, data_name=data_name, ax=ax)


@np.errstate(all="ignore")
def plot_map(
    images: np.ndarray,
    places: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    class_names: Sequence[str] | None = None,
    data_name: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw images as small pictures, each in a cell of a grid at its place or near it.

    Taught in notebook 07.

    None covers another, and groups stay groups, with room between them. Cells are given so
    that the squares of all distances add up to as little as can be.

    Parameters
    ----------
    images : ndarray, shape (n, height, width, 1 or 3)
        uint8 from 0 to 255, or floats from 0 to 1; 3,000 images at most. A thousand take about a
        second, three thousand a quarter of a minute.
    places : ndarray of numbers, shape (n, 2)
        As ``explain.embed`` returns them.
    labels : ndarray of integers, shape (n,), optional
        The images get frames in the colours of their classes.
    class_names : sequence of str, optional
        In the order of the labels. Each is written in the middle of its images.
    data_name : str, optional
        Written under the map.
    ax : Axes, optional
        Keeps the places as its data coordinates.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If an array is not of the form above, they are not of one length, or there are too many.
    """
    images = check_images(images, dtypes="pixels")
    images = images if images.dtype == np.uint8 else np.uint8(255 * images + 0.5)
    step = -(-max(images.shape[1:3]) // 64)  # a small picture needs no more pixels
    images = images[:, ::step, ::step]
    n, height, width, _ = images.shape
    if n > MOST:
        hint = "Some are enough: images[:1000], places[:1000]."
        raise expected(f"{MOST:,} images at most, as a map has room for", f"{n:,}", hint)
    places = check_numbers("places", places, n, 2)
    frame, names = max(1, width // 16), None
    if labels is not None:
        names = None if class_names is None else check_names(class_names)
        (labels,) = check_labels(labels, num_classes=names and len(names))
        check_lengths(f"{n} images", f"{len(labels)} labels")
        classes = max(labels.max() + 1, len(names or ()))
        colours = plt.get_cmap("tab10" if classes <= 10 else "turbo", classes)
    # A grid with two cells for each image.
    shape = np.array([width, height]) + 2 * frame  # of a cell
    low, reach = places.min(axis=0), np.ptp(places, axis=0).astype(float)
    reach = np.maximum(reach, max(reach.max() / 10, 1e-9))
    cell = shape * np.sqrt(reach.prod() / (2 * n * shape.prod()))
    columns, rows = np.ceil(reach / cell).astype(int)
    row, column = (index.ravel() for index in np.indices((rows, columns)))
    centres = low + cell * (np.stack([column, row], axis=1) + 0.5)
    _, chosen = linear_sum_assignment(cdist(places, centres, "sqeuclidean"))
    canvas = np.zeros((rows, shape[1], columns, shape[0], 4), "uint8")
    for i, (top, left) in enumerate(zip(row[chosen], column[chosen], strict=True)):
        box = canvas[rows - 1 - top, :, left]
        if labels is not None:
            box[:] = np.multiply(colours(labels[i]), 255)
        box[frame:-frame, frame:-frame, :3] = images[i]
        box[frame:-frame, frame:-frame, 3] = 255
    canvas = canvas.reshape(rows * shape[1], columns * shape[0], 4)
    (left, below), (right, above) = low, low + cell * (columns, rows)
    size = 8 * np.array(canvas.shape[1::-1]) / max(canvas.shape)
    with _canvas(ax, *size, (0.05, 0.25 if data_name else 0.05, 0.05, 0.05)) as ax:
        options = {"origin": "upper", "aspect": "equal", "interpolation": "antialiased"}
        ax.imshow(canvas, extent=(left, right, below, above), **options)
        ax.set(xlim=(left, right), ylim=(below, above))
        ax.axis("off")
        for label in np.unique(labels) if names else ():
            middle = np.median(places[labels == label], axis=0)
            options = {"ha": "center", "va": "center", "weight": "bold", "color": colours(label)}
            text = ax.text(*middle, names[label], **options)
            text.set_path_effects([withStroke(linewidth=4, foreground="white")])
            _as_it_is(text)
        label_source(ax, data_name)
    return ax
