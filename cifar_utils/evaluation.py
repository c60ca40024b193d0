"""How good is a classifier, and how sure can one be of that figure?"""

import math
from collections.abc import Iterator, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import softmax
from scipy.stats import t as student_t
from sklearn.metrics import classification_report

from cifar_utils.checks import check_count, check_labels, check_probabilities


class AccuracyInterval(NamedTuple):
    """A top-1 accuracy with its confidence interval, all as fractions from 0 to 1."""

    accuracy: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.accuracy:.1%} ({self.low:.1%} to {self.high:.1%})"


def accuracy_interval(
    y_true: np.ndarray, y_pred: np.ndarray, confidence: float = 0.95
) -> AccuracyInterval:
    """Top-1 accuracy with its Wilson score interval.

    The interval tells what other test images, drawn like these, could have given. It
    knows nothing of what another training run would have given.

    Parameters
    ----------
    y_true, y_pred : ndarray of integers, shape (n,)
        True and predicted classes.
    confidence : float
        Between 0 and 1.

    Returns
    -------
    AccuracyInterval
        ``accuracy``, ``low`` and ``high``, fractions.

    Raises
    ------
    ValueError
        If the labels are not of the form above, or not of one length, or the confidence is
        not between 0 and 1.

    References
    ----------
    E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical
    Inference", JASA 22, 1927.

    Examples
    --------
    >>> print(accuracy_interval(np.zeros(100, int), np.repeat([0, 1], [75, 25])))
    75.0% (65.7% to 82.5%)
    """
    y_true, y_pred = check_labels(y_true, y_pred)
    _check_confidence(confidence)
    n = len(y_true)
    share = float(np.mean(y_true == y_pred))
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # Rounding must not put a share of 0 or 1 outside its own interval, nor that beyond them.
    low, high = min(share, max(0.0, centre - reach)), max(share, min(1.0, centre + reach))
    return AccuracyInterval(share, low, high)


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"Expected confidence between 0 and 1. Received: {confidence!r}.")


class MeanInterval(NamedTuple):
    """The mean over training runs, and half the width of its interval (fractions)."""

    mean: float
    reach: float
    runs: int

    def __str__(self) -> str:
        if self.runs == 1:
            return f"{100 * self.mean:.1f} % (one run)"
        return f"{100 * self.mean:.1f} ± {100 * self.reach:.1f} % ({self.runs} runs)"


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> MeanInterval:
    """Mean of a figure over runs with different seeds, with Student's t interval.

    The interval tells what the mean of other seeds could have been. It knows nothing of
    what other test images would have given: see :func:`accuracy_interval`.

    Parameters
    ----------
    values : sequence of float
        One a run. Of a single run the reach is infinite.
    confidence : float
        Between 0 and 1.

    Returns
    -------
    MeanInterval
        ``mean``, ``reach`` (mean ± reach is the interval) and ``runs``.

    Raises
    ------
    ValueError
        If a figure is not finite, there is none, or the confidence is out of bounds.

    Examples
    --------
    >>> print(mean_interval([0.78, 0.80, 0.79]))
    79.0 ± 2.5 % (3 runs)
    """
    _check_confidence(confidence)
    values = np.asarray(values, float)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError(f"Expected finite numbers, at least one. Received: {values!r}.")
    runs, mean = len(values), float(values.mean())
    if runs == 1:
        return MeanInterval(mean, math.inf, 1)
    error = values.std(ddof=1) / math.sqrt(runs)
    return MeanInterval(mean, float(student_t.ppf((1 + confidence) / 2, runs - 1) * error), runs)


def predict_probabilities(
    model, images: np.ndarray, batch_size: int = 500, *, views: int = 1
) -> np.ndarray:
    """Class probabilities of a model that returns logits.

    Parameters
    ----------
    model : keras.Model
        Any object whose ``predict_on_batch`` turns images into logits.
    images : ndarray, shape (n, height, width, 3)
    batch_size : int
    views : {1, 6}
        How many versions of each image the logits are averaged over. 1: the image as it
        is. 6: the image and its mirror image, a quarter each, and both shifted by one
        pixel to the upper left and to the lower right, an eighth each.

    Returns
    -------
    ndarray of float64, shape (n, classes)
        Each row sums to 1.

    Raises
    ------
    ValueError
        If ``views`` is neither 1 nor 6, or there are no images or no batch.

    References
    ----------
    The six views are those of K. Jordan, 2024, arXiv:2404.00498.
    """
    if views not in (1, 6):
        raise ValueError(f"Expected views of 1 or 6. Received: {views!r}.")
    check_count("the number of images", len(images))
    check_count("batch_size", batch_size)
    logits = []
    for start in range(0, len(images), batch_size):
        batch = images[start : start + batch_size]
        weighted = _six_views(batch) if views == 6 else [(1.0, batch)]
        logits.append(sum(w * np.asarray(model.predict_on_batch(v), float) for w, v in weighted))
    return softmax(np.concatenate(logits), axis=1)


def _six_views(images: np.ndarray) -> Iterator[tuple[float, np.ndarray]]:
    """Weights that sum to 1, and the versions of the images that they are for."""
    height, width = images.shape[1:3]
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    for weight, corner in ((1 / 4, 1), (1 / 8, 0), (1 / 8, 2)):
        shifted = padded[:, corner : corner + height, corner : corner + width]
        yield weight, shifted
        yield weight, shifted[:, :, ::-1]


def expected_calibration_error(
    y_true: np.ndarray, probabilities: np.ndarray, bins: int = 15
) -> float:
    """Mean distance between confidence and accuracy, over bins of equal width.

    Parameters
    ----------
    y_true : ndarray of integers, shape (n,)
    probabilities : ndarray of float, shape (n, classes)
    bins : int
        The confidence, the largest probability of a row, is cut into so many bins.

    Returns
    -------
    float
        Fraction: 0.05 means that confidence and accuracy differ by 5 points on average.

    Raises
    ------
    ValueError
        If the rows are no probabilities, or not as many as the labels, or there is no bin.

    References
    ----------
    C. Guo et al., "On Calibration of Modern Neural Networks", 2017, arXiv:1706.04599.

    Examples
    --------
    >>> always_sure = np.array([[1.0, 0.0]] * 4)
    >>> expected_calibration_error(np.array([0, 0, 0, 1]), always_sure)
    0.25
    """
    probabilities = check_probabilities(probabilities)
    check_count("bins", bins)
    count, classes = probabilities.shape
    y_true, _ = check_labels(y_true, np.zeros(count, int), num_classes=classes)
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == y_true
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(which, weights=right - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(right))


def classification_table(
    y_true: np.ndarray, y_pred: np.ndarray, class_names: tuple[str, ...]
) -> pd.DataFrame:
    """Precision, recall and F1 score of every class, and their means.

    Parameters
    ----------
    y_true, y_pred : ndarray of integers, shape (n,)
        True and predicted classes, indices into `class_names`.
    class_names : tuple of str
        All classes, also those that no image has: none may drop out of the table.

    Returns
    -------
    DataFrame
        A row a class, then ``mean``; columns ``precision``, ``recall``, ``f1`` (fractions)
        and ``images`` (how many have the class). A class never predicted has precision 0,
        one that no image has recall 0; both count in the means.

    Raises
    ------
    ValueError
        If the labels are not of the form above, or not of one length.

    Examples
    --------
    >>> classification_table([0, 0, 1, 1], [0, 1, 1, 1], ("cat", "dog")).round(2)
          precision  recall    f1  images
    cat        1.00    0.50  0.67       2
    dog        0.67    1.00  0.80       2
    mean       0.83    0.75  0.73       4
    """
    check_labels(y_true, y_pred, num_classes=len(class_names))
    report = classification_report(
        y_true,
        y_pred,
        labels=range(len(class_names)),
        target_names=class_names,
        output_dict=True,
        zero_division=0,
    )
    table = pd.DataFrame(report).T.loc[[*class_names, "macro avg"]]
    table = table.rename(
        index={"macro avg": "mean"}, columns={"f1-score": "f1", "support": "images"}
    )
    return table.astype({"images": int})
