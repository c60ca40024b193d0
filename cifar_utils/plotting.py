"""The plots of the series: image grids, learning curves, confusion matrix, mistakes.

Every function draws on ``ax``, or on a new figure without one, and returns what it
drew on. Give it ``data_name=data.name`` and the plot says which images it is about.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from sklearn.metrics import ConfusionMatrixDisplay

from cifar_utils.checks import check_count, check_labels, check_probabilities


def label_source(ax: Axes, data_name: str | None, *, above: bool = False) -> None:
    """Write the name of the data in small grey letters under the lower right corner.

    With `above`, over the upper right one: for plots whose tick labels need the room below.
    """
    if data_name and above:
        ax.set_title(data_name, fontsize=8, color="0.35", loc="right")
    elif data_name:
        ax.annotate(
            data_name,
            xy=(1, 0),
            xycoords="axes fraction",
            xytext=(0, -26 if ax.axison else -4),
            textcoords="offset points",
            ha="right",
            va="top",
            fontsize=8,
            color="0.35",
        )


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
    images : ndarray, shape (n, height, width, 3)
        uint8 from 0 to 255, or floats from 0 to 1.
    titles : sequence of n, optional
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
    images = np.asarray(images)
    check_count("columns", columns)
    if images.ndim != 4 or images.shape[-1] != 3 or 0 in images.shape:
        raise ValueError(
            "Expected images of shape (n, height, width, 3), n at least 1. "
            f"Received: shape {images.shape}."
        )
    if images.dtype != np.uint8 and not (
        images.dtype.kind == "f" and images.min() >= 0 and images.max() <= 1
    ):
        raise ValueError(
            "Expected images as uint8 from 0 to 255 or as floats from 0 to 1. "
            f"Received: {images.dtype} from {images.min()} to {images.max()}."
        )
    n, height, width, _ = images.shape
    if titles is not None and len(titles) != n:
        raise ValueError(f"Expected {n} titles, one an image. Received: {len(titles)}.")
    titles = None if titles is None else [str(title) for title in titles]
    columns = min(columns, n)
    rows = -(-n // columns)
    gap = max(1, width // 16)
    lines = 0 if titles is None else max(title.count("\n") + 1 for title in titles)
    head = gap + round(0.21 * lines * height)
    sheet = np.ones((rows * (height + head), columns * (width + gap), 3))
    if ax is None:
        inches = 0.95 / width
        size = (sheet.shape[1] * inches, sheet.shape[0] * inches)
        _, ax = plt.subplots(figsize=size, layout="constrained")
    for i, image in enumerate(images):
        top = (i // columns) * (height + head) + head
        left = (i % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = (
            image / 255 if images.dtype == np.uint8 else image
        )
        if titles is not None:
            ax.text(left + width / 2, top - 1.5, titles[i], ha="center", va="bottom", fontsize=7.5)
    ax.imshow(sheet, interpolation="nearest")
    ax.axis("off")
    label_source(ax, data_name)
    return ax


def plot_learning_curves(
    history: Mapping[str, Sequence[float]],
    metric: str = "accuracy",
    *,
    data_name: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a metric over the epochs, on the training and on the validation images.

    Parameters
    ----------
    history : mapping of str to sequence of float
        ``History.history`` of Keras: a value an epoch.
    metric : str
        A key of `history`, of the training images. Its ``val_`` twin is drawn, dashed, where
        there is one.
    data_name : str, optional
        Written under the plot.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If `history` has no such metric.
    """
    known = sorted(key for key in history if not key.startswith("val_"))
    if metric not in known:
        raise ValueError(f"Expected a metric of {known}. Received: {metric!r}.")
    if ax is None:
        _, ax = plt.subplots(figsize=(5, 3.4), layout="constrained")
    for key, style, label in ((metric, "o-", "training"), (f"val_{metric}", "s--", "validation")):
        if key in history:
            epochs = range(1, len(history[key]) + 1)
            ax.plot(epochs, history[key], style, markersize=4, label=label)
    ax.set(xlabel="epoch", ylabel=metric)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.grid(alpha=0.3)
    ax.legend()
    label_source(ax, data_name)
    return ax


def plot_confusion_matrix(
    y_true: np.ndarray,
    y_pred: np.ndarray,
    *,
    class_names: Sequence[str],
    normalize: str | None = "true",
    data_name: str | None = None,
    ax: Axes | None = None,
) -> ConfusionMatrixDisplay:
    """Draw the confusion matrix: a row a true class, a column a predicted one.

    Parameters
    ----------
    y_true, y_pred : ndarray of integers, shape (n,)
        Indices into `class_names`.
    class_names : sequence of str
        All classes; each gets its row and column, also where no image has it.
    normalize : {"true", "pred", "all", None}
        Shares of the row, the column or the whole, or counts.
    data_name : str, optional
        Written above the plot, at its right end.
    ax : Axes, optional

    Returns
    -------
    sklearn.metrics.ConfusionMatrixDisplay
        ``confusion_matrix`` holds the numbers, ``ax_`` the Axes.

    Raises
    ------
    ValueError
        If the labels are not of the form above, or not of one length.
    """
    check_labels(y_true, y_pred, num_classes=len(class_names))
    if ax is None:
        _, ax = plt.subplots(figsize=(6.4, 5.6), layout="constrained")
    display = ConfusionMatrixDisplay.from_predictions(
        y_true,
        y_pred,
        labels=range(len(class_names)),
        display_labels=class_names,
        normalize=normalize,
        values_format="d" if normalize is None else ".2f",
        xticks_rotation=45,
        cmap="cividis",
        text_kw={"fontsize": 8},
        ax=ax,
    )
    ax.set(xlabel="predicted class", ylabel="true class")
    plt.setp(ax.get_xticklabels(), ha="right", rotation_mode="anchor")
    unit = {None: "images", "all": "share of all images"}
    row_or_column = {"true": "share of the true class", "pred": "share of the predicted class"}
    display.im_.colorbar.set_label((unit | row_or_column)[normalize])
    label_source(ax, data_name, above=True)
    return display


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
    images : ndarray of uint8, shape (n, height, width, 3)
    y_true : ndarray of integers, shape (n,)
    probabilities : ndarray of float, shape (n, classes)
        Each row sums to 1: probabilities, not logits.
    class_names : sequence of str
    count : int
        Show at most this many.
    columns, data_name, ax
        As for :func:`plot_images`.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If an array is not of the form above, nothing was classified wrongly, or nothing is
        to be shown.
    """
    images = np.asarray(images)
    (y_true,) = check_labels(y_true, num_classes=len(class_names))
    probabilities = check_probabilities(probabilities, len(class_names))
    check_count("count", count)
    if not len(probabilities) == len(images) == len(y_true):
        raise ValueError(
            "Expected as many images, labels and rows of probabilities. Received: "
            f"{len(images)} images, {len(y_true)} labels, {len(probabilities)} rows."
        )
    y_pred = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(y_pred != y_true)
    if not len(wrong):
        raise ValueError("Expected at least one mistake. Received: none, all classes are right.")
    sure = probabilities[wrong, y_pred[wrong]]
    worst = wrong[np.argsort(-sure, kind="stable")[:count]]
    titles = [
        f"{class_names[y_pred[i]]} {probabilities[i, y_pred[i]]:.0%}\nis {class_names[y_true[i]]}"
        for i in worst
    ]
    return plot_images(images[worst], titles, columns=columns, data_name=data_name, ax=ax)
