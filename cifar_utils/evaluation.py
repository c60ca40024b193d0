"""How good is a classifier, and how sure can one be of that figure?

Every figure needs one image at least, and probabilities in rows that sum to 1: all else, NaN
too, raises a ValueError that says what came. Images of a single class, all told rightly or all
wrongly, are judged as any others.
"""

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
from PIL import Image
from scipy import ndimage, optimize, stats
from scipy.special import entr, log_softmax, softmax
from sklearn.metrics import precision_recall_fscore_support

from cifar_utils.checks import (
    check_choice,
    check_count,
    check_finite,
    check_images,
    check_labels,
    check_lengths,
    check_names,
    check_number,
    check_probabilities,
    check_seed,
    expected,
)


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
    """Top-1 accuracy with its Wilson score interval. Taught in notebook 01.

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
    confidence = check_number("confidence", confidence, 0, 1 - 1e-12, inside="()")
    right, n = int(np.sum(y_true == y_pred)), len(y_true)
    low, high = stats.binomtest(right, n).proportion_ci(confidence, method="wilson")
    return AccuracyInterval(right / n, float(low), float(high))


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
        Fractions, such as accuracies, one a run. Of a single run the reach is infinite.
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
    confidence = check_number("confidence", confidence, inside="()")
    values = _figures(values)
    runs, mean = len(values), float(values.mean())
    if runs == 1:
        return MeanInterval(mean, math.inf, 1)
    error = values.std(ddof=1) / math.sqrt(runs)
    return MeanInterval(mean, float(stats.t.ppf((1 + confidence) / 2, runs - 1) * error), runs)


def _figures(values: Sequence[float]) -> np.ndarray:
    """Figures, one a run, as an array of finite numbers; ValueError if there is none."""
    unordered = (str, bytes, set, frozenset, Mapping, pd.DataFrame)
    listed = [] if isinstance(values, unordered) or not np.iterable(values) else list(values)
    if not listed:
        raise expected("a sequence of finite numbers, at least one", repr(values))
    return np.array([check_number("a figure", value, -math.inf, math.inf) for value in listed])


class Comparison(NamedTuple):
    """How much more of the same images one model gets right than another."""

    difference: float
    low: float
    high: float
    only_a: int
    only_b: int
    p_value: float

    def __str__(self) -> str:
        difference, low, high = (f"{100 * value:+.2f}" for value in self[:3])
        return f"{difference} points ({low} to {high}), p = {self.p_value:.2g}"


def compare_predictions(
    y_true: np.ndarray, y_pred_a: np.ndarray, y_pred_b: np.ndarray, confidence: float = 0.95
) -> Comparison:
    """Is model a better than model b? McNemar's exact test, on the same images.

    Taught in notebook 07.

    Only the images that one of them gets right and the other wrong tell the two apart. If
    they were equally good, these would be split as by tosses of a coin; the p-value is the
    probability of a split at least as uneven. It knows nothing of what other training runs
    would have given: see :func:`compare_runs`.

    Parameters
    ----------
    y_true, y_pred_a, y_pred_b : ndarray of integers, shape (n,)
        True classes, and those that each model predicted.
    confidence : float
        Between 0 and 1.

    Returns
    -------
    Comparison
        ``difference``, accuracy of a less accuracy of b, a fraction, with its interval from
        ``low`` to ``high``; ``only_a`` and ``only_b``, how many images only one of them gets
        right; ``p_value``. Where no image tells them apart, the difference is 0 and p is 1.

    Raises
    ------
    ValueError
        If the labels are not of the form above, or not of one length, or the confidence is
        not between 0 and 1.

    Notes
    -----
    The interval is Wald's with Bonett's and Price's adjustment: as if of two more images, each
    model alone had got one right. Being made otherwise than the p-value, it may disagree with
    it where that is close to ``1 - confidence``.

    References
    ----------
    Q. McNemar, "Note on the Sampling Error of the Difference Between Correlated Proportions
    or Percentages", Psychometrika 12, 1947. M. W. Fagerland et al., "Recommended Tests and
    Confidence Intervals for Paired Binomial Proportions", Statistics in Medicine 33, 2014.

    Examples
    --------
    >>> y_true, a, b = np.zeros(100, int), np.repeat([0, 1], [90, 10]), np.repeat([1, 0], [2, 98])
    >>> print(compare_predictions(y_true, a, b))
    -8.00 points (-14.87 to -0.82), p = 0.039
    """
    y_true, y_pred_a, y_pred_b = check_labels(y_true, y_pred_a, y_pred_b)
    confidence = check_number("confidence", confidence, inside="()")
    gain = (y_true == y_pred_a).astype(int) - (y_true == y_pred_b)
    only_a, only_b = int(np.sum(gain > 0)), int(np.sum(gain < 0))
    p_value = stats.binomtest(only_a, only_a + only_b).pvalue if gain.any() else 1.0
    adjusted = np.append(gain, [1, -1])
    reach = stats.norm.ppf((1 + confidence) / 2) * stats.sem(adjusted, ddof=0)
    low, high = np.clip([adjusted.mean() - reach, adjusted.mean() + reach], -1, 1)
    return Comparison(float(gain.mean()), float(low), float(high), only_a, only_b, float(p_value))


@np.errstate(all="ignore")
def compare_runs(
    values_a: Sequence[float], values_b: Sequence[float], confidence: float = 0.95
) -> MeanInterval:
    """Is recipe a better than recipe b? The mean difference of runs that share a seed.

    If its interval leaves out 0, seeds alone hardly explain the difference.

    Parameters
    ----------
    values_a, values_b : sequence of float
        Fractions, such as accuracies, one a run. The first of a is compared with the first of
        b, and so on, so list them in the order of their seeds.
    confidence : float
        Between 0 and 1.

    Returns
    -------
    MeanInterval
        Of the differences, a less b: that of the paired t test. Of a single pair the reach is
        infinite.

    Raises
    ------
    ValueError
        If a figure is not finite, there is none, a has not as many as b, or the confidence is
        out of bounds.

    Examples
    --------
    >>> print(compare_runs([0.81, 0.82, 0.80], [0.79, 0.81, 0.79]))
    1.3 ± 1.4 % (3 runs)
    """
    a, b = _figures(values_a), _figures(values_b)
    check_lengths(f"{len(a)} runs of a", f"{len(b)} runs of b")
    return mean_interval(a - b, confidence)


class Predictor(Protocol):
    """What :func:`predict_probabilities` needs of a model: any of Keras' has it."""

    def predict_on_batch(self, x: np.ndarray) -> np.ndarray: ...


@np.errstate(all="ignore")
def predict_probabilities(
    model: Predictor,
    images: np.ndarray,
    batch_size: int = 500,
    *,
    views: int = 1,
    share: float = 1.0,
    temperature: float = 1.0,
) -> np.ndarray:
    """Class probabilities of a model that returns logits. Taught in notebook 02.

    Parameters
    ----------
    model : keras.Model, or another with ``predict_on_batch``
        Turns images into logits, shape (n, classes). A network that ends in a softmax or a
        sigmoid is refused: a second one would flatten its probabilities.
    images : ndarray of numbers, shape (n, height, width, 1 or 3)
        In the range that the model was trained on. Networks of this package, and others that
        begin with a ``Rescaling`` layer, scale pixels themselves: give them 0 to 255.
    batch_size : int
    views : {1, 6}
        How many versions of each image the logits are averaged over. 1: the image as it
        is. 6: the image and its mirror image, a quarter each, and both shifted by one
        pixel to the upper left and to the lower right, an eighth each.
    share : float
        Give six views only to this share of the images, those whose two largest
        probabilities differ least. A quarter is as good as all, for 2.25 passes through the
        network instead of six.
    temperature : float
        Divide the logits by it, so that confidence is what it says: see
        :func:`fit_temperature`. No prediction changes.

    Returns
    -------
    ndarray of float64, shape (n, classes)
        Each row sums to 1.

    Raises
    ------
    ValueError
        If the images are not of the form above, or were scaled already for a model that
        scales them; if the model returns something else than logits of two classes or more;
        if ``views`` is neither 1 nor 6, there is no batch, the share is not within 0 to 1, or the
        temperature is not above 0.

    References
    ----------
    The six views are those of K. Jordan, 2024, arXiv:2404.00498.
    """
    if check_count("views", views) not in (1, 6):
        raise expected("views of 1 or 6", repr(views))
    batch_size = check_count("batch_size", batch_size)
    share = check_number("share", share)
    temperature = check_number("temperature", temperature, 0, 1e6, inside="(]")
    images = check_images(images, dtypes="any")
    _check_predictor(model, images)

    def batches(images):
        return (images[start : start + batch_size] for start in range(0, len(images), batch_size))

    logits = np.concatenate([_logits(model, batch) for batch in batches(images)])
    if views == 6:
        second, first = np.sort(softmax(logits, axis=1), axis=1)[:, -2:].T
        for unsure in batches(np.argsort(first - second)[: math.ceil(share * len(images))]):
            (weight, _), *others = _six_views(images[unsure])
            logits[unsure] *= weight  # the image as it is has been seen
            for weight, view in others:
                logits[unsure] += weight * _logits(model, view)
    return softmax(logits / temperature, axis=1)


def _check_predictor(model: Predictor, images: np.ndarray) -> None:
    """ValueError unless these images are what this model takes, and it ends in logits."""
    if not hasattr(model, "predict_on_batch"):
        raise expected("a model with predict_on_batch, as Keras' have", repr(model))
    layers = getattr(model, "layers", None) or [None]
    last = getattr(getattr(layers[-1], "activation", None), "__name__", "")
    if last in ("softmax", "sigmoid") or type(layers[-1]).__name__ == "Softmax":
        raise _no_logits(f"one that ends in a {last or 'softmax'}", softmax=True)
    takes = getattr(model, "input_shape", None)
    if isinstance(takes, tuple) and len(takes) == 4:
        wanted = takes[1:]
        if any(a not in (None, b) for a, b in zip(wanted, images.shape[1:], strict=True)):
            raise expected(f"images of shape {wanted}, as the model takes them", images.shape[1:])
    inner = [deeper for layer in layers[:3] for deeper in getattr(layer, "layers", [layer])[:3]]
    scales = any(type(layer).__name__ == "Rescaling" for layer in inner)
    low, high = images.min(), images.max()
    scaled = images.dtype.kind == "f" and high <= 1 and images.any()
    # A rotated image may be beyond by a rounding error.
    if scales and (scaled or low < -1 or high > 256):
        raise expected(
            "pixels from 0 to 255, as the model scales them itself",
            f"values from {low:.3g} to {high:.3g}",
        )


def _logits(model: Predictor, images: np.ndarray) -> np.ndarray:
    outputs = model.predict_on_batch(images)
    if isinstance(outputs, (list, tuple, dict)):
        raise _no_logits(f"{len(outputs)} outputs")
    outputs = np.asarray(outputs)
    if outputs.ndim != 2 or outputs.shape[1] < 2 or len(outputs) != len(images):
        raise _no_logits(f"outputs of shape {outputs.shape} for {len(images)} images")
    outputs = check_finite("a model that returns finite logits", outputs.astype(float))
    if outputs.min() >= 0 and np.allclose(outputs.sum(axis=1), 1, atol=1e-2):
        raise _no_logits("rows that sum to 1, as behind a softmax", softmax=True)
    return outputs


def _no_logits(received: str, *, softmax: bool = False) -> ValueError:
    hint = "What ends so gives probabilities itself, by model.predict." if softmax else ""
    return expected("a model that returns logits, shape (n, classes)", received, hint)


def _six_views(images: np.ndarray) -> Iterator[tuple[float, np.ndarray]]:
    """Weights that sum to 1, and the versions of the images that they are for."""
    height, width = images.shape[1:3]
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    for weight, corner in ((1 / 4, 1), (1 / 8, 0), (1 / 8, 2)):
        shifted = padded[:, corner : corner + height, corner : corner + width]
        yield weight, shifted
        yield weight, shifted[:, :, ::-1]


def _check_judged(y_true: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities in the forms of this package, a row for each label."""
    probabilities = check_probabilities(probabilities)
    count, classes = probabilities.shape
    (y_true,) = check_labels(y_true, num_classes=classes)
    check_lengths(f"{len(y_true)} labels", f"{count} rows of probabilities")
    return y_true, probabilities


@np.errstate(all="ignore")
def brier_score(y_true: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean squared distance of the probabilities from the truth, all classes summed.

    Parameters
    ----------
    y_true : ndarray of integers, shape (n,)
    probabilities : ndarray of float, shape (n, classes)

    Returns
    -------
    float
        From 0, always sure and right, to 2, always sure and wrong. Of two classes, twice what
        some call by this name.

    Raises
    ------
    ValueError
        If the rows are no probabilities, or not as many as the labels.

    References
    ----------
    G. W. Brier, "Verification of Forecasts Expressed in Terms of Probability", Monthly
    Weather Review 78, 1950.

    Examples
    --------
    >>> brier_score([0, 1], np.array([[1.0, 0.0], [0.5, 0.5]]))
    0.25
    """
    y_true, probabilities = _check_judged(y_true, probabilities)
    truth = np.eye(probabilities.shape[1])[y_true]
    return float(np.square(probabilities - truth).sum(axis=1).mean())


@np.errstate(all="ignore")
def negative_log_likelihood(y_true: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean of minus the logarithm of what the true class was given: the cross-entropy loss.

    Parameters
    ----------
    y_true : ndarray of integers, shape (n,)
    probabilities : ndarray of float, shape (n, classes)

    Returns
    -------
    float
        In nats, 0 at best. As in scikit-learn, less than 2.2e-16 counts as that, which costs 36
        nats: a single image whose class was ruled out must not decide everything.

    Raises
    ------
    ValueError
        If the rows are no probabilities, or not as many as the labels.

    Examples
    --------
    >>> round(negative_log_likelihood([0, 1], np.array([[1.0, 0.0], [0.5, 0.5]])), 3)
    0.347
    """
    y_true, probabilities = _check_judged(y_true, probabilities)
    return _cross_entropy(np.eye(probabilities.shape[1])[y_true], probabilities)


def _cross_entropy(truth: np.ndarray, probabilities: np.ndarray) -> float:
    surprise = np.log(1 / np.clip(probabilities, np.finfo(float).eps, 1))
    return float((truth * surprise).sum(axis=1).mean())


@np.errstate(all="ignore")
def reliability_curve(
    y_true: np.ndarray, probabilities: np.ndarray, bins: int = 15, strategy: str = "uniform"
) -> pd.DataFrame:
    """How often a classifier is right where it is so sure: what a reliability diagram shows.

    Taught in notebook 07.

    Parameters
    ----------
    y_true : ndarray of integers, shape (n,)
    probabilities : ndarray of float, shape (n, classes)
    bins : int
        Images are sorted into so many bins by confidence, the largest probability of a row.
    strategy : {"uniform", "quantile"}
        Bins of equal width, or of equally many images, as in scikit-learn's
        ``calibration_curve``. Images of one confidence stay together, always.

    Returns
    -------
    DataFrame
        A row a bin that has images, from the least sure; columns ``confidence`` and
        ``accuracy`` (means, fractions) and ``images`` (how many).

    Raises
    ------
    ValueError
        If the rows are no probabilities, or not as many as the labels, or there is no bin or no
        such strategy.

    Examples
    --------
    >>> probabilities = np.array([[0.6, 0.4]] * 2 + [[0.9, 0.1]] * 4)
    >>> reliability_curve([0, 1, 0, 0, 0, 1], probabilities, bins=5)
       confidence  accuracy  images
    2         0.6      0.50       2
    4         0.9      0.75       4
    """
    y_true, probabilities = _check_judged(y_true, probabilities)
    bins = check_count("bins", bins)
    check_choice("strategy", strategy, ("uniform", "quantile"))
    confidence = probabilities.max(axis=1)
    edges = np.linspace(0, 1, bins + 1)
    if strategy == "quantile":
        edges = np.percentile(confidence, 100 * edges)
    right = probabilities.argmax(axis=1) == y_true
    table = pd.DataFrame({"confidence": confidence, "accuracy": right.astype(float)})
    table = table.groupby(np.searchsorted(edges[1:-1], confidence))
    return table.mean().assign(images=table.size())


@np.errstate(all="ignore")
def expected_calibration_error(
    y_true: np.ndarray, probabilities: np.ndarray, bins: int = 15, strategy: str = "uniform"
) -> float:
    """Mean distance between confidence and accuracy, over bins of confidence.

    Taught in notebook 07.

    Parameters
    ----------
    y_true : ndarray of integers, shape (n,)
    probabilities : ndarray of float, shape (n, classes)
    bins : int
        The confidence, the largest probability of a row, is cut into so many bins.
    strategy : {"uniform", "quantile"}
        Bins of equal width, or of equally many images, which lie close where most images are.

    Returns
    -------
    float
        Fraction: 0.05 means that confidence and accuracy differ by 5 points on average.

    Raises
    ------
    ValueError
        As for :func:`reliability_curve`.

    References
    ----------
    C. Guo et al., "On Calibration of Modern Neural Networks", 2017, arXiv:1706.04599. Bins of
    equally many images: J. Nixon et al., "Measuring Calibration in Deep Learning", 2019,
    arXiv:1904.01685.

    Examples
    --------
    >>> always_sure = np.array([[1.0, 0.0]] * 4)
    >>> expected_calibration_error(np.array([0, 0, 0, 1]), always_sure)
    0.25
    """
    curve = reliability_curve(y_true, probabilities, bins, strategy)
    gaps = (curve["accuracy"] - curve["confidence"]).abs()
    return float(np.average(gaps, weights=curve["images"]))


@np.errstate(all="ignore")
def fit_temperature(y_true: np.ndarray, probabilities: np.ndarray) -> float:
    """The temperature at which a classifier is as sure as it is right. Taught in notebook 07.

    Dividing logits by a number above 1 makes a classifier less sure of everything, below 1
    surer, and changes none of its predictions. This is the number with the least negative
    log-likelihood.

    Parameters
    ----------
    y_true : ndarray of integers, shape (n,)
        Of images that were not trained on and that nothing is reported on: validation images.
    probabilities : ndarray of float, shape (n, classes)
        At a temperature of 1.

    Returns
    -------
    float
        From 0.01 to 100. Give it to :func:`predict_probabilities`.

    Raises
    ------
    ValueError
        If the rows are no probabilities, or not as many as the labels.

    References
    ----------
    C. Guo et al., "On Calibration of Modern Neural Networks", 2017, arXiv:1706.04599.

    Examples
    --------
    A classifier that is always sure of the first class, and right three times in four:

    >>> fit_temperature([0, 0, 0, 1], np.array([[0.99, 0.01]] * 4)) > 1
    True
    """
    y_true, probabilities = _check_judged(y_true, probabilities)
    logits = np.log(np.maximum(probabilities, 1e-300))

    def loss(logarithm):
        scaled = log_softmax(logits * np.exp(-logarithm), axis=1)
        return -scaled[np.arange(len(y_true)), y_true].mean()

    bounds = math.log(0.01), math.log(100)
    return float(np.exp(optimize.minimize_scalar(loss, bounds=bounds, method="bounded").x))


@np.errstate(all="ignore")
def selective_accuracy(y_true: np.ndarray, probabilities: np.ndarray) -> pd.DataFrame:
    """Accuracy on the images that a classifier is surest of, for every share of them.

    Taught in notebook 07.

    Parameters
    ----------
    y_true : ndarray of integers, shape (n,)
    probabilities : ndarray of float, shape (n, classes)

    Returns
    -------
    DataFrame
        n rows, the surest image first; columns ``coverage`` (the share of images answered),
        ``confidence`` (of the least sure of them) and ``accuracy`` (on them). The last row is
        the accuracy on all. Of images equally sure none comes first: there, accuracy is the
        mean over all orders. The area under the risk-coverage curve, 0 at best, is
        ``(1 - curve["accuracy"]).mean()``.

    Raises
    ------
    ValueError
        If the rows are no probabilities, or not as many as the labels.

    References
    ----------
    Y. Geifman and R. El-Yaniv, "Selective Classification for Deep Neural Networks", 2017,
    arXiv:1705.08500.

    Examples
    --------
    >>> curve = selective_accuracy([0, 1, 1], np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]))
    >>> curve.round(2)
       coverage  confidence  accuracy
    0      0.33         0.9      1.00
    1      0.67         0.8      1.00
    2      1.00         0.6      0.67
    >>> print(f"{(1 - curve['accuracy']).mean():.3f}")
    0.111
    """
    y_true, probabilities = _check_judged(y_true, probabilities)
    right = probabilities.argmax(axis=1) == y_true
    sure, which, ties = np.unique(
        -probabilities.max(axis=1), return_inverse=True, return_counts=True
    )
    right = np.repeat(np.bincount(which, weights=right) / ties, ties)
    answered = np.arange(1, len(right) + 1)
    return pd.DataFrame(
        {
            "coverage": answered / len(right),
            "confidence": np.repeat(-sure, ties),
            "accuracy": right.cumsum() / answered,
        }
    )


def confidence_threshold(
    y_true: np.ndarray, probabilities: np.ndarray, accuracy: float = 0.98
) -> float:
    """The lowest confidence from which on so many answers are right. Taught in notebook 09.

    Parameters
    ----------
    y_true : ndarray of integers, shape (n,)
        Of images that were not trained on and that nothing is reported on: validation images.
    probabilities : ndarray of float, shape (n, classes)
    accuracy : float
        Of the answers at least as sure, from 0 to 1.

    Returns
    -------
    float
        Answer where the largest probability is this or more; elsewhere, say "not sure".

    Raises
    ------
    ValueError
        If the rows are no probabilities, or not as many as the labels, or even the surest
        answers are not right so often.

    Examples
    --------
    >>> probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
    >>> confidence_threshold([0, 0, 1, 1], probabilities, accuracy=0.9)
    0.8
    """
    accuracy = check_number("accuracy", accuracy)
    curve = selective_accuracy(y_true, probabilities)
    curve = curve.drop_duplicates("confidence", keep="last")  # equally sure, all answered
    enough = curve["confidence"][curve["accuracy"] >= accuracy - 1e-9]
    if not len(enough):
        best = curve["accuracy"].max()
        raise expected(f"answers of which {accuracy:.4g} are right", f"{best:.4g} at best")
    return float(enough.min())


def conformal_threshold(
    y_true: np.ndarray, probabilities: np.ndarray, coverage: float = 0.9
) -> float:
    """The probability that a class must reach to be in the answer, for a promised coverage.

    Taught in notebook 07.

    Split conformal prediction: whatever the network, sets of all classes that reach the
    threshold hold the true one for this share of new images at least, on average over
    validation images, if new images are drawn as those were.

    Parameters
    ----------
    y_true : ndarray of integers, shape (n,)
        Of images that were not trained on and that nothing is reported on: validation images.
    probabilities : ndarray of float, shape (n, classes)
    coverage : float
        Between 0 and 1.

    Returns
    -------
    float
        For :func:`conformal_sets`. With too few images for the promise, fewer than
        ``coverage / (1 - coverage)``, it is 0: every set holds every class.

    Raises
    ------
    ValueError
        If the rows are no probabilities, or not as many as the labels, or the coverage is not
        between 0 and 1.

    References
    ----------
    M. Sadinle et al., "Least Ambiguous Set-Valued Classifiers with Bounded Error Levels", 2019,
    arXiv:1609.00451. A. N. Angelopoulos and S. Bates, "A Gentle Introduction to Conformal
    Prediction and Distribution-Free Uncertainty Quantification", 2021, arXiv:2107.07511.

    Examples
    --------
    >>> probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
    >>> conformal_threshold([0, 0, 0, 1], probabilities, coverage=0.6)
    0.7
    """
    y_true, probabilities = _check_judged(y_true, probabilities)
    coverage = check_number("coverage", coverage, inside="()")
    given = np.sort(probabilities[np.arange(len(y_true)), y_true])[::-1]
    needed = math.ceil(round((len(given) + 1) * coverage, 9))  # 10 * 0.7 is 7, not a bit more
    return float(min(given[needed - 1], 1)) if needed <= len(given) else 0.0


def conformal_sets(probabilities: np.ndarray, threshold: float) -> np.ndarray:
    """Sets of classes instead of one: all that reach the threshold. Taught in notebook 07.

    Parameters
    ----------
    probabilities : ndarray of float, shape (n, classes)
    threshold : float
        From :func:`conformal_threshold`.

    Returns
    -------
    ndarray of bool, shape (n, classes)
        Whether a class is in the set of an image. A set may be empty.

    Raises
    ------
    ValueError
        If the rows are no probabilities, or the threshold is not within 0 to 1.

    Examples
    --------
    >>> conformal_sets(np.array([[0.9, 0.1], [0.6, 0.4]]), threshold=0.3)
    array([[ True, False],
           [ True,  True]])
    """
    return check_probabilities(probabilities) >= check_number("threshold", threshold)


class SetQuality(NamedTuple):
    """How many sets hold the true class (a fraction), and how many classes a set has."""

    coverage: float
    mean_size: float


def judge_sets(y_true: np.ndarray, probabilities: np.ndarray, threshold: float) -> SetQuality:
    """How good :func:`conformal_sets` are: they should cover what was promised, and be small.

    Parameters
    ----------
    y_true : ndarray of integers, shape (n,)
        Of other images than the threshold was found on.
    probabilities : ndarray of float, shape (n, classes)
    threshold : float

    Returns
    -------
    SetQuality
        ``coverage``, the share of sets with the true class, and ``mean_size``, in classes.

    Raises
    ------
    ValueError
        If the rows are no probabilities, or not as many as the labels, or the threshold is not
        within 0 to 1.

    Examples
    --------
    >>> judge_sets([1, 1], np.array([[0.9, 0.1], [0.6, 0.4]]), threshold=0.3)
    SetQuality(coverage=0.5, mean_size=1.5)
    """
    y_true, probabilities = _check_judged(y_true, probabilities)
    sets = conformal_sets(probabilities, threshold)
    covered = sets[np.arange(len(sets)), y_true]
    return SetQuality(float(covered.mean()), float(sets.sum(axis=1).mean()))


class HumanAgreement(NamedTuple):
    """How close a classifier is to people's votes."""

    top_1: float
    cross_entropy: float
    kl_divergence: float


@np.errstate(all="ignore")
def human_agreement(votes: np.ndarray, probabilities: np.ndarray) -> HumanAgreement:
    """Does a classifier choose what most people do, and doubt where they do? Taught in notebook 07.

    Parameters
    ----------
    votes : ndarray of float, shape (n, classes)
        The share of people for each class, as :func:`~cifar_utils.data.load_cifar10h` gives
        them for all test images.
    probabilities : ndarray of float, shape (n, classes)
        The classifier's, for the same images.

    Returns
    -------
    HumanAgreement
        ``top_1``, for which share of images no class has more votes than the likeliest one;
        ``cross_entropy`` of the votes under the probabilities, in nats; ``kl_divergence``,
        that less the votes' own entropy, 0 if people and classifier give the same. As in
        :func:`negative_log_likelihood`, less than 2.2e-16 counts as that.

    Raises
    ------
    ValueError
        If one's rows are no probabilities, or the other has not as many rows and classes.

    References
    ----------
    J. C. Peterson et al., "Human uncertainty makes classification more robust", 2019,
    arXiv:1908.07086.

    Examples
    --------
    >>> votes, probabilities = np.array([[0.8, 0.2], [0.5, 0.5]]), np.array([[0.5, 0.5]] * 2)
    >>> human_agreement(votes, probabilities).top_1
    1.0
    """
    votes = check_probabilities(votes)
    probabilities = check_probabilities(probabilities, votes.shape[1])
    check_lengths(f"{len(votes)} rows of votes", f"{len(probabilities)} rows of probabilities")
    chosen = votes[np.arange(len(votes)), probabilities.argmax(axis=1)]
    cross_entropy = _cross_entropy(votes, probabilities)
    own = float(entr(votes).sum(axis=1).mean())
    agreement = float(np.mean(chosen == votes.max(axis=1)))
    return HumanAgreement(agreement, cross_entropy, cross_entropy - own)


# Amounts from just visible to hard for a person, at 32 x 32 pixels. Those of CIFAR-10-C end
# where people have no trouble yet; those of ImageNet-C, for larger images, begin too strong.
CORRUPTIONS = {
    "gaussian_noise": (0.02, 0.04, 0.08, 0.15, 0.25),  # standard deviation, of the full range
    "gaussian_blur": (0.5, 0.8, 1.1, 1.5, 2.0),  # standard deviation, in pixels
    "contrast": (0.75, 0.5, 0.3, 0.15, 0.075),  # share of it that is left
    "pixelate": (0.9, 0.7, 0.5, 0.35, 0.2),  # share of rows and columns that are left
    "jpeg_compression": (80, 50, 25, 12, 6),  # quality
}


def corrupt(images: np.ndarray, kind: str, severity: int, seed: int = 0) -> np.ndarray:
    """Images as a bad camera, or the way to the reader, could have spoilt them.

    Taught in notebook 07.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, height, width, 1 or 3)
        Amounts are chosen for images of CIFAR-10's size.
    kind : str
        One of ``CORRUPTIONS``, which has their amounts.
    severity : int
        From 1, just visible, to 5, hard for a person.
    seed : int
        Draws the noise. The same seed gives the same; the first images get the same, however
        many follow.

    Returns
    -------
    ndarray of uint8, shape (n, height, width, 1 or 3)

    Raises
    ------
    ValueError
        If the images are not of the form above, or there is no such kind, severity or seed.

    References
    ----------
    D. Hendrycks and T. Dietterich, "Benchmarking Neural Network Robustness to Common
    Corruptions and Perturbations", 2019, arXiv:1903.12261, has these five among nineteen, at
    other amounts: figures here are none on CIFAR-10-C.

    Examples
    --------
    >>> images = np.repeat(np.array([0, 200], "uint8"), 12).reshape(1, 2, 4, 3)
    >>> corrupt(images, "contrast", severity=2)[0, :, 0, 0]
    array([ 50, 150], dtype=uint8)
    """
    images = check_images(images)
    check_choice("corruption", kind, CORRUPTIONS)
    severity = check_count("severity", severity)
    if severity > 5:
        raise expected("severity from 1 to 5", severity)
    rng, amount = np.random.default_rng(check_seed(seed)), CORRUPTIONS[kind][severity - 1]
    if kind in ("pixelate", "jpeg_compression"):
        return np.stack([_by_pillow(image, kind, amount) for image in images])
    pixels = images.astype(np.float32)
    if kind == "gaussian_noise":
        pixels += 255 * amount * rng.standard_normal(pixels.shape, dtype=np.float32)
    elif kind == "gaussian_blur":
        pixels = ndimage.gaussian_filter(pixels, (0, amount, amount, 0))
    else:
        mean = pixels.mean(axis=(1, 2), keepdims=True)
        pixels = mean + amount * (pixels - mean)
    return pixels.round().clip(0, 255).astype(np.uint8)


def _by_pillow(image: np.ndarray, kind: str, amount: float) -> np.ndarray:
    height, width, channels = image.shape
    picture = Image.fromarray(image if channels == 3 else image[..., 0])
    if kind == "pixelate":
        fewer = max(1, round(amount * width)), max(1, round(amount * height))
        picture = picture.resize(fewer, Image.Resampling.BOX)
        picture = picture.resize((width, height), Image.Resampling.NEAREST)
    else:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=amount)
        picture = Image.open(file)
    return np.asarray(picture).reshape(image.shape)


def classification_table(
    y_true: np.ndarray, y_pred: np.ndarray, class_names: Sequence[str]
) -> pd.DataFrame:
    """Precision, recall and F1 score of every class, and their means. Taught in notebook 02.

    Parameters
    ----------
    y_true, y_pred : ndarray of integers, shape (n,)
        True and predicted classes, indices into `class_names`.
    class_names : sequence of str
        All classes in the order of their labels, also those that no image has: none may drop
        out of the table. Any names will do, equal ones, too; a mapping is read by its keys,
        which are the labels.

    Returns
    -------
    DataFrame
        A row a class, in the order of the labels, then ``mean``; columns ``precision``,
        ``recall``, ``f1`` (fractions) and ``images`` (how many have the class). A class never
        predicted has precision 0, one that no image has recall 0; both count in the means.

    Raises
    ------
    ValueError
        If the labels or names are not of the form above, or the labels not of one length.

    Examples
    --------
    >>> classification_table([0, 0, 1, 1], [0, 1, 1, 1], ("cat", "dog")).round(2)
          precision  recall    f1  images
    cat        1.00    0.50  0.67       2
    dog        0.67    1.00  0.80       2
    mean       0.83    0.75  0.73       4
    """
    names = check_names(class_names)
    y_true, y_pred = check_labels(y_true, y_pred, num_classes=len(names))
    *shares, images = precision_recall_fscore_support(
        y_true, y_pred, labels=range(len(names)), zero_division=0
    )
    table = pd.DataFrame(dict(zip(("precision", "recall", "f1"), shares, strict=True)))
    table["images"] = images
    table.loc[len(names)] = [*table.iloc[:, :3].mean(), images.sum()]
    return table.astype({"images": int}).set_axis([*names, "mean"])
