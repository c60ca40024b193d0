"""How good is a classifier, and how sure can one be of that figure?"""

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.metrics import classification_report


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
        If the labels are not of the form above, or not of one length.

    References
    ----------
    E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical
    Inference", JASA 22, 1927.

    Examples
    --------
    >>> print(accuracy_interval(np.zeros(100, int), np.repeat([0, 1], [75, 25])))
    75.0% (65.7% to 82.5%)
    """
    check_labels(y_true, y_pred)
    if not 0 < confidence < 1:
        raise ValueError(f"Expected confidence between 0 and 1. Received: {confidence!r}.")
    n = len(y_true)
    share = float(np.mean(np.asarray(y_true) == np.asarray(y_pred)))
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # Rounding must not put a share of 0 or 1 outside its own interval, nor that beyond them.
    low, high = min(share, max(0.0, centre - reach)), max(share, min(1.0, centre + reach))
    return AccuracyInterval(share, low, high)


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
        and ``images`` (how many have the class). A class never predicted has precision 0.

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


def check_labels(*labels: np.ndarray, num_classes: int | None = None) -> None:
    """Raise ValueError unless all are whole numbers of shape (n,), n > 0, one length.

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
