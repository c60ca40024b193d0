"""Whatever comes in: the right figure, or this package's own error, and nothing left behind.

What the docstrings allow is compared with scikit-learn, statsmodels or a naive reference; what
they don't allow has to be refused in the package's own words.
"""

import contextlib
import itertools
import re

import keras
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    brier_score_loss,
    confusion_matrix,
    log_loss,
    precision_recall_fscore_support,
)
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

from cifar_utils import augmentation, checks, evaluation, plotting

settings.register_profile(
    "here", max_examples=25, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
settings.load_profile("here")

DTYPES = st.sampled_from(["uint8", "int16", "int64", "uint64"])
CONTAINERS = st.sampled_from([np.asarray, list, tuple, pd.Series, keras.ops.convert_to_tensor])
LETTERS = st.characters(codec="latin-1", exclude_categories=["C"])
NAMES = st.one_of(st.text(LETTERS, max_size=12), st.integers(), st.floats(allow_nan=False))
# Of all that people hand over by mistake.
ENTRIES = st.one_of(st.none(), st.floats(), st.text(max_size=2), st.integers(-3, 3))
JUNK = st.one_of(
    ENTRIES,
    st.booleans(),
    st.lists(ENTRIES, max_size=4),
    st.dictionaries(st.integers(0, 3), st.text(max_size=2), max_size=3),
    hnp.arrays(st.sampled_from(["f4", "i8", "?", "U2", "c8"]), hnp.array_shapes(max_side=4)),
    st.sampled_from([object(), len, b"bytes", {1, 2}, iter([1, 2]), np.ma.masked_all(3)]),
    st.just(np.array([None, "a"], object)),
)


@st.composite
def labelled(draw, most=6):
    """True and predicted labels in some container, and names of all classes."""
    names = draw(st.lists(NAMES, min_size=1, max_size=most))
    n = draw(st.integers(1, 30))
    labels = st.lists(st.integers(0, len(names) - 1), min_size=n, max_size=n)
    pair = [np.array(draw(labels), draw(DTYPES)) for _ in range(2)]
    kind = draw(
        st.sampled_from(
            [list, tuple, lambda a: dict(enumerate(a)), lambda a: pd.Series(a, dtype=object)]
        )
    )
    return *(draw(CONTAINERS)(labels) for labels in pair), kind(names), list(map(str, names)), pair


@pytest.fixture(autouse=True, scope="module")
def strange_settings():
    """Settings of others, none of which may decide anything; nor may any be changed."""
    with np.errstate(all="raise"), mpl.rc_context({"image.origin": "lower", "axes.grid": True}):
        before = dict(mpl.rcParams), np.geterr(), np.random.get_state()[1].tolist()  # noqa: NPY002
        yield
        after = dict(mpl.rcParams), np.geterr(), np.random.get_state()[1].tolist()  # noqa: NPY002
        assert after == before


@contextlib.contextmanager
def untouched(*arguments):
    """Arguments stay as they are, no figure is left open by what fails, all errors are ours."""
    plain = [a for a in arguments if isinstance(a, np.ndarray) and a.dtype != object]
    copies = [a.copy() for a in plain]
    figures = plt.get_fignums()
    try:
        yield
    except ValueError as error:
        assert str(error).startswith("Expected ") and "Received: " in str(error), error
        assert plt.get_fignums() == figures
    for a, b in zip(plain, copies, strict=True):
        np.testing.assert_array_equal(a, b)
    plt.close("all")


@given(labelled(), st.floats(0.01, 0.99))
def test_interval_is_that_of_statsmodels(drawn, confidence):
    *labels, _, _, (y_true, y_pred) = drawn
    interval = evaluation.accuracy_interval(*labels, confidence)
    right = int(np.sum(y_true == y_pred))
    known = proportion_confint(right, len(y_true), 1 - confidence, method="wilson")
    assert interval.accuracy == right / len(y_true)
    np.testing.assert_allclose(interval[1:], known, atol=1e-9)
    assert 0 <= interval.low <= interval.accuracy <= interval.high <= 1


@given(labelled())
def test_table_is_that_of_scikit_learn_row_by_row(drawn):
    *labels, names, texts, (y_true, y_pred) = drawn
    table = evaluation.classification_table(*labels, names)
    known = precision_recall_fscore_support(
        y_true, y_pred, labels=range(len(texts)), zero_division=0
    )
    assert list(table.index) == [*texts, "mean"]
    np.testing.assert_allclose(table.to_numpy()[:-1].T, np.array(known, float))
    np.testing.assert_allclose(table.iloc[-1, :3], np.mean(known[:3], axis=1))
    assert table.iloc[-1, 3] == len(y_true)


@pytest.mark.filterwarnings("ignore:A single label was found")  # of the known one
@given(labelled(), st.sampled_from(["true", "pred", "all", None]), st.booleans())
@settings(max_examples=12)
def test_matrix_is_that_of_scikit_learn_and_shows_every_class(drawn, normalize, own):
    *labels, names, texts, (y_true, y_pred) = drawn
    ax = None if own else plt.subplots(figsize=(3, 3))[1]
    display = plotting.plot_confusion_matrix(
        *labels, class_names=names, normalize=normalize, ax=ax, data_name="x_1$"
    )
    known = confusion_matrix(y_true, y_pred, labels=range(len(texts)), normalize=normalize)
    np.testing.assert_array_equal(display.confusion_matrix, known)
    display.figure_.canvas.draw()
    shown = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert shown == texts and display.figure_.axes[0] is display.ax_
    plt.close("all")


@given(st.integers(2, 5), st.integers(1, 20), st.integers(1, 12), st.integers(0, 99))
def test_calibration_error_is_the_naive_one(classes, n, bins, seed):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(classes, 0.5), n)
    y_true = rng.integers(0, classes, n)
    total = 0.0
    for b in range(bins):
        rows = [i for i in range(n) if min(int(probabilities[i].max() * bins), bins - 1) == b]
        if rows:
            right = np.mean([probabilities[i].argmax() == y_true[i] for i in rows])
            total += len(rows) / n * abs(right - np.mean([probabilities[i].max() for i in rows]))
    found = evaluation.expected_calibration_error(y_true, probabilities, bins)
    assert found == pytest.approx(total, abs=1e-12)


@st.composite
def judged(draw, most=40):
    """Labels, and probabilities that may be 0, 1 or equal to one another."""
    n, classes = draw(st.integers(1, most)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    probabilities = rng.dirichlet(np.full(classes, draw(st.sampled_from([0.01, 0.5, 5.0]))), n)
    if draw(st.booleans()):  # quarters, of which many are equal
        cuts = np.sort(rng.integers(0, 5, (n, classes - 1)), axis=1)
        probabilities = np.diff(cuts, axis=1, prepend=0, append=4) / 4
    return rng.integers(0, classes, n), probabilities


def sureness(y_true, probabilities):
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == y_true


@given(judged())
def test_scores_are_those_of_scikit_learn(drawn):
    y_true, probabilities = drawn
    classes = range(probabilities.shape[1])
    parts = [brier_score_loss(y_true == k, probabilities[:, k], pos_label=True) for k in classes]
    assert evaluation.brier_score(y_true, probabilities) == pytest.approx(sum(parts), abs=1e-12)
    if len(classes) > 1:
        known = log_loss(y_true, probabilities, labels=classes)
        found = evaluation.negative_log_likelihood(y_true, probabilities)
        assert found == pytest.approx(known, abs=1e-9)


@given(judged(), st.integers(1, 12), st.sampled_from(["uniform", "quantile"]))
def test_reliability_curve_is_that_of_scikit_learn(drawn, bins, strategy):
    confidence, right = sureness(*drawn)
    found = evaluation.reliability_curve(*drawn, bins, strategy)
    known = calibration_curve(
        right, np.minimum(confidence, 1), n_bins=bins, strategy=strategy, pos_label=True
    )
    np.testing.assert_allclose(found[["accuracy", "confidence"]].to_numpy().T, known, atol=1e-12)
    assert found["images"].sum() == len(right) and found["images"].min() > 0
    error = evaluation.expected_calibration_error(*drawn, bins, strategy)
    gaps = found["images"] / len(right) * abs(known[0] - known[1])
    assert error == pytest.approx(sum(gaps), abs=1e-12)


@given(st.integers(1, 6), st.integers(1, 12), st.integers(0, 99))
def test_bins_of_equal_mass_have_equally_many_images(each, bins, seed):
    rng = np.random.default_rng(seed)
    probabilities, y_true = rng.dirichlet([1, 1, 1], each * bins), rng.integers(0, 3, each * bins)
    found = evaluation.expected_calibration_error(y_true, probabilities, bins, "quantile")
    confidence, right = sureness(y_true, probabilities)
    gaps = np.split((right - confidence)[np.argsort(confidence)], bins)
    assert found == pytest.approx(np.mean([abs(gap.mean()) for gap in gaps]), abs=1e-12)


@given(judged(most=6))
def test_selective_accuracy_is_the_mean_over_all_orders_from_the_surest(drawn):
    confidence, right = sureness(*drawn)
    n = len(right)
    orders = [o for o in itertools.permutations(range(n)) if (np.diff(confidence[[*o]]) <= 0).all()]
    known = np.mean([right[[*o]].cumsum() / np.arange(1, n + 1) for o in orders], axis=0)
    found = evaluation.selective_accuracy(*drawn)
    np.testing.assert_allclose(found["accuracy"], known, atol=1e-12)
    np.testing.assert_array_equal(found["confidence"], np.sort(confidence)[::-1])


@given(judged(), st.floats(0.01, 0.99))
def test_threshold_is_the_quantile_of_its_authors(drawn, coverage):
    y_true, probabilities = drawn
    n = len(y_true)
    found = evaluation.conformal_threshold(y_true, probabilities, coverage)
    scores = 1 - probabilities[np.arange(n), y_true]
    rank = np.ceil((n + 1) * coverage)  # of the score that is the limit, counted from 1
    known = 0.0
    if rank <= n:
        known = 1 - np.quantile(scores, (rank - 0.5) / n, method="inverted_cdf")
    assert found == pytest.approx(known, abs=1e-12)
    covered = evaluation.judge_sets(y_true, probabilities, found)
    assert covered.coverage >= min(rank / n, 1) - 1e-12  # of the images that it was found on
    sets = evaluation.conformal_sets(probabilities, found)
    assert covered.mean_size == pytest.approx(sets.sum() / n)


@given(st.integers(1, 30), st.integers(1, 99), st.integers(0, 99))
def test_sets_keep_their_promise_on_one_more_image(n, percent, seed):
    """By exchangeability: each of n + 1 images in turn is the new one."""
    rng = np.random.default_rng(seed)
    probabilities, y_true = rng.dirichlet([1, 1, 1], n + 1), rng.integers(0, 3, n + 1)
    covered = 0
    for i in range(n + 1):
        rest = np.delete(np.arange(n + 1), i)
        threshold = evaluation.conformal_threshold(y_true[rest], probabilities[rest], percent / 100)
        covered += probabilities[i, y_true[i]] >= threshold
    assert covered == -(-(n + 1) * percent // 100)  # the least that is enough


@given(judged(), st.integers(0, 99))
def test_agreement_with_people_is_entropy_by_scipy(drawn, seed):
    _, probabilities = drawn
    n, classes = probabilities.shape
    votes = np.random.default_rng(seed).multinomial(50, np.full(classes, 1 / classes), n) / 50
    found = evaluation.human_agreement(votes, probabilities)
    known = stats.entropy(votes, np.maximum(probabilities, 2**-52), axis=1).mean()
    assert found.kl_divergence == pytest.approx(known, abs=1e-9)
    own = stats.entropy(votes, axis=1).mean()
    assert found.cross_entropy == pytest.approx(known + own, abs=1e-9)
    most = [votes[i, probabilities[i].argmax()] >= votes[i].max() for i in range(n)]
    assert found.top_1 == pytest.approx(np.mean(most))


@given(
    st.integers(1, 60), st.integers(1, 4), st.integers(0, 99), st.floats(0.01, 0.99)
)  # fmt: skip
def test_comparison_is_mcnemars_by_statsmodels(n, classes, seed, confidence):
    y_true, a, b = np.random.default_rng(seed).integers(0, classes, (3, n))
    found = evaluation.compare_predictions(y_true, a, b, confidence)
    right_a, right_b = a == y_true, b == y_true
    table = confusion_matrix(right_a, right_b, labels=[True, False])
    assert found.p_value == pytest.approx(mcnemar(table, exact=True).pvalue, abs=1e-12)
    assert found.difference == pytest.approx(right_a.mean() - right_b.mean())
    assert (found.only_a, found.only_b) == (table[0, 1], table[1, 0])
    one, other = (table[0, 1] + 1) / (n + 2), (table[1, 0] + 1) / (n + 2)  # Bonett and Price, 2012
    error = ((one + other - (one - other) ** 2) / (n + 2)) ** 0.5
    low, high = stats.norm.interval(confidence, one - other, error)
    np.testing.assert_allclose(found[1:3], (max(low, -1), min(high, 1)), atol=1e-12)
    back = evaluation.compare_predictions(y_true, b, a, confidence)
    np.testing.assert_allclose(back[:3], (-found[0], -found[2], -found[1]), atol=1e-12)
    assert back.p_value == pytest.approx(found.p_value)


@given(
    st.lists(st.tuples(*[st.floats(0, 1)] * 2), min_size=2, max_size=9), st.floats(0.5, 0.99)
)  # fmt: skip
def test_comparison_of_runs_is_that_of_statsmodels(pairs, confidence):
    a, b = np.array(pairs).T
    with np.errstate(all="ignore"):
        low, high = DescrStatsW(a - b).tconfint_mean(1 - confidence)
    found = evaluation.compare_runs(list(a), list(b), confidence)
    assert found.mean - found.reach == pytest.approx(low, abs=1e-9)
    assert found.mean + found.reach == pytest.approx(high, abs=1e-9)


@given(
    st.deferred(lambda: pictures()), st.sampled_from(list(evaluation.CORRUPTIONS)),
    st.integers(1, 5), st.integers(0, 2**32 - 1), st.data(),
)  # fmt: skip
def test_what_is_corrupted_keeps_its_form_and_does_not_depend_on_what_follows(
    images, kind, severity, seed, data
):
    images = (255 * images).astype("uint8") if images.dtype != "uint8" else images
    with untouched(images):
        found = evaluation.corrupt(images, kind, severity, seed)
    assert found.shape == images.shape and found.dtype == np.uint8
    first = data.draw(st.integers(1, len(images)))
    part = evaluation.corrupt(images[:first], kind, severity, seed)
    np.testing.assert_array_equal(part, found[:first])


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9), st.floats(0.5, 0.99))
def test_mean_interval_is_that_of_scipy(values, confidence):
    interval = evaluation.mean_interval(values, confidence)
    assert interval.mean == pytest.approx(sum(values) / len(values), abs=1e-6)
    if len(values) == 1:
        assert interval.reach == float("inf") and "one run" in str(interval)
    elif np.ptp(values) > 1e-3:
        error = np.std(values, ddof=1) / len(values) ** 0.5
        low, high = stats.t.interval(confidence, len(values) - 1, np.mean(values), error)
        assert interval.reach == pytest.approx((high - low) / 2) and "±" in str(interval)


class Linear:
    """Logits that are linear in the pixels, as of a network without hidden layers."""

    def __init__(self, classes):
        self.weights = np.random.default_rng(classes).normal(size=classes)

    def predict_on_batch(self, images):
        return np.asarray(images, float).reshape(len(images), -1).mean(1)[:, None] * self.weights


@given(
    st.deferred(lambda: pictures_of(["uint8", "float32", "int64"])),
    st.integers(2, 4), st.integers(1, 6), st.sampled_from([1, 6]),
)  # fmt: skip
def test_probabilities_are_the_softmax_of_the_mean_logits(images, classes, batch, views):
    model = Linear(classes)
    found = evaluation.predict_probabilities(model, images, batch, views=views)
    logits = 0
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect").astype(float)
    height, width = images.shape[1:3]
    for top, weight in {1: {1: 1.0}, 6: {1: 0.5, 0: 0.25, 2: 0.25}}[views].items():
        view = padded[:, top : top + height, top : top + width]
        logits = logits + weight / 2 * model.predict_on_batch(view)
        logits = logits + weight / 2 * model.predict_on_batch(view[:, :, ::-1])
    with np.errstate(under="ignore"):
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(found, powers / powers.sum(axis=1, keepdims=True), atol=1e-9)


def pictures_of(dtypes):
    sides = st.integers(2, 6)
    shape = st.tuples(st.integers(1, 5), sides, sides, st.sampled_from([1, 3]))
    return hnp.arrays(st.sampled_from(dtypes), shape, elements=st.integers(0, 255))


def fake(outputs=lambda n: np.ones((n, 2)), layers=(), input_shape=None):
    """What looks like a network."""
    predict = staticmethod(lambda images: outputs(len(images)))
    return type(
        "Fake", (), {"predict_on_batch": predict, "layers": layers, "input_shape": input_shape}
    )()


def layer(kind, activation=None):
    made = type(kind, (), {})()
    if activation:
        made.activation = type("F", (), {"__name__": activation})()
    return made


@given(pictures_of(["uint8"]), st.data())
def test_a_network_is_believed_only_if_it_gives_logits_of_these_images(images, data):
    n, *shape = images.shape
    good = [
        fake(),
        fake(layers=[layer("Rescaling")], input_shape=(None, *shape)),
        fake(layers=[layer("Dense", "relu")], input_shape=(None, None, None, shape[2])),
    ]
    for model in good:
        assert evaluation.predict_probabilities(model, images).shape == (n, 2)
    bad = [
        fake(layers=[layer("Softmax")]),
        fake(layers=[layer("Dense", data.draw(st.sampled_from(["softmax", "sigmoid"])))]),
        fake(lambda n: np.full((n, 4), 0.25)),
        fake(lambda n: np.zeros((n, 1))),
        fake(lambda n: np.zeros(n)),
        fake(lambda n: np.zeros((n + 1, 3))),
        fake(input_shape=(None, shape[0] + 1, *shape[1:])),
        None,
    ]
    for model in bad:
        with pytest.raises(ValueError, match=r"^Expected .* Received: "):
            evaluation.predict_probabilities(model, images)
    assume(images.max() > 1)
    for scaled in (images / 255, images / 127.5 - 1):
        with pytest.raises(ValueError, match="as the model scales them itself"):
            evaluation.predict_probabilities(good[1], scaled)


# How to mend them, as the errors say, and how they come about.
IMAGES = {
    "images[None]": lambda x: x[0],
    "images[..., None]": lambda x: x[..., 0],
    "np.moveaxis(images, 1, -1)": lambda x: np.moveaxis(x, -1, 1),
    "images[..., :3]": lambda x: np.concatenate([x, x[..., :1]], axis=-1),
    "(255 * images).round().astype('uint8')": lambda x: x / 255,
    "images.astype('uint8')": lambda x: x.astype("float32") + 1,
    "resized first": lambda x: [x[0], x[0, 1:]],
    "as one array: np.concatenate": lambda x: iter([x]),
}
LABELS = {
    "labels[:, 0]": lambda y: y[:, None],
    "labels.argmax(axis=1)": lambda y: np.eye(y.max() + 2)[y],
    "labels.astype(int)": lambda y: y.astype(float),
    "np.unique(labels, return_inverse=True)": lambda y: y.astype(str),
}


@pytest.mark.parametrize("hint", [*IMAGES, *LABELS])
@given(seed=st.integers(0, 99))
@settings(max_examples=5)
def test_what_an_error_says_mends_it(hint, seed):
    rng = np.random.default_rng(seed)
    images, labels = rng.integers(2, 250, (3, 6, 5, 3), dtype="uint8"), rng.integers(0, 4, 3)
    if hint in IMAGES:
        with pytest.raises(ValueError, match=rf"Expected images.*{re.escape(hint)}"):
            checks.check_images(IMAGES[hint](images))
    else:
        with pytest.raises(ValueError, match=rf"Expected labels.*{re.escape(hint)}"):
            checks.check_labels(LABELS[hint](labels))
    if "images" in hint and "[x " not in hint and hint in IMAGES and "concatenate" not in hint:
        mended = eval(hint, {"np": np, "images": IMAGES[hint](images)})
        assert checks.check_images(mended) is mended
    if hint in LABELS:
        mended = eval(hint, {"np": np, "labels": LABELS[hint](labels)})
        mended = mended[1] if isinstance(mended, tuple) else mended
        assert len(checks.check_labels(mended)[0]) == 3


@given(pictures_of(["uint8"]), st.integers(1, 7))
def test_images_and_labels_belong_together(images, count):
    labels = np.zeros(count, int)
    if count == len(images):
        found = checks.check_labelled(list(images), list(labels), 1, images.shape[1:])
        np.testing.assert_array_equal(found[0], images)
    else:
        with pytest.raises(ValueError, match=rf"as labels. Received: {len(images)} im.*{count} l"):
            checks.check_labelled(images, labels)


@st.composite
def pictures(draw):
    shape = st.tuples(
        st.integers(1, 7), st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3])
    )
    if draw(st.booleans()):
        return draw(hnp.arrays("uint8", shape))
    return draw(hnp.arrays("float32", shape, elements=st.floats(0, 1, width=32)))


@given(pictures(), st.integers(1, 12), st.booleans(), st.booleans(), st.data())
@settings(max_examples=12)
def test_grid_shows_each_image_once_in_its_order(images, columns, own, titled, data):
    titles = data.draw(st.lists(NAMES, min_size=len(images), max_size=len(images)))
    ax = None if own else plt.subplots()[1]
    ax = plotting.plot_images(images, titles if titled else None, columns=columns, ax=ax)
    ax.figure.canvas.draw()
    sheet = np.asarray(ax.images[0].get_array())
    shown = sheet[sheet[..., 3] == 1][:, :3]
    assert len(shown) == len(images) * images.shape[1] * images.shape[2]
    pixels = np.broadcast_to(images, (*images.shape[:3], 3)).reshape(-1, 3)
    pixels = pixels / (255 if images.dtype == "uint8" else 1)
    assert np.abs(np.sort(shown, axis=0) - np.sort(pixels, axis=0)).max() < 1e-6
    assert len(ax.texts) == (len(images) if titled else 0)
    plt.close("all")


@given(st.integers(1, 8), st.integers(2, 4), st.integers(0, 99), st.integers(1, 5))
@settings(max_examples=12)
def test_mistakes_are_the_wrong_ones_surest_first(n, classes, seed, count):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n, 4, 5, 3), dtype="uint8")
    probabilities, y_true = rng.dirichlet(np.ones(classes), n), rng.integers(0, classes, n)
    names = [f"c{i}" for i in range(classes)]
    with untouched(images, probabilities, y_true):
        ax = plotting.plot_mistakes(images, y_true, probabilities, class_names=names, count=count)
        wrong = [i for i in range(n) if probabilities[i].argmax() != y_true[i]]
        wrong = sorted(wrong, key=lambda i: -probabilities[i].max())[:count]
        texts = [text.get_text() for text in ax.texts]
        if wrong:
            assert texts == [
                f"c{probabilities[i].argmax()} {probabilities[i].max():.0%}\nis c{y_true[i]}"
                for i in wrong
            ]
        else:
            assert texts == [f"no mistakes in {n} images"]


@given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 5), st.booleans(), st.booleans())
@settings(max_examples=15)
def test_curves_lie_at_the_epochs_of_keras(count, freq, start, told, as_history):
    epochs = [*range(start, start + count)] if as_history else [*range(count)]
    validated = [e + 1 for e in epochs if (e + 1) % freq == 0]
    assume(validated)
    values = {"accuracy": np.linspace(0.2, 0.9, count), "val_accuracy": [0.5] * len(validated)}
    history = type("History", (), {"history": values, "epoch": epochs})() if as_history else values
    with untouched():
        options = {"validation_freq": freq} if told else {}
        ax = plotting.plot_learning_curves(history, data_name="x", **options)
        ax.figure.canvas.draw()
        drawn = [list(line.get_xdata()) for line in ax.lines]
        assert drawn == [[e + 1 for e in epochs], validated]


@given(
    st.integers(0, 3), st.sampled_from(["random", "alternating", "none"]), st.integers(0, 9),
    st.sampled_from(["uint8", "float32", "float64"]), st.sampled_from([1, 255]), st.integers(0, 3),
)  # fmt: skip
@settings(max_examples=15)
def test_crops_and_flips_are_windows_of_each_image(padding, flip, seed, dtype, scale, epoch):
    images = np.random.default_rng(seed).integers(0, 256, (6, 5, 6, 3)) / scale
    images = images.astype(dtype)
    layer = augmentation.PadCropFlip(padding, flip, seed=seed)
    if flip == "alternating":
        augmentation.AlternateFlips(layer).on_epoch_begin(epoch)
    result = keras.ops.convert_to_numpy(layer(images, training=True))
    assert result.dtype == images.dtype and result.shape == images.shape
    margins = [(padding, padding)] * 2 + [(0, 0)]
    for image, crop in zip(images, result, strict=True):
        padded = np.pad(image, margins, mode="reflect")
        corners = itertools.product(range(2 * padding + 1), repeat=2)
        windows = [padded[y : y + 5, x : x + 6] for y, x in corners]
        both = windows if flip == "none" else windows + [w[:, ::-1] for w in windows]
        assert any(np.array_equal(crop, window) for window in both)
    np.testing.assert_array_equal(layer(images, training=False), images)
    clone = augmentation.PadCropFlip.from_config(layer.get_config())
    assert clone.get_config() == layer.get_config()
    assert layer.compute_output_shape(images.shape) == images.shape


@given(
    st.lists(st.sampled_from(list(augmentation.TRANSFORMS)), max_size=3, unique=True),
    st.integers(0, 2**32 - 1), st.sampled_from([1, 3]),
)  # fmt: skip
@settings(max_examples=10)
def test_every_chain_of_transforms_keeps_shape_and_range(names, seed, channels):
    amounts = {"crop": 2, "crop_flip": 2, "crop_alternating_flip": 2, "flip": 0,
               "rotation": 15, "shift": 0.1, "cutout": 0.25}  # fmt: skip
    shape = (12, 10, channels)
    images = np.random.default_rng(1).integers(0, 256, (4, *shape), dtype="uint8")
    with untouched(images):
        layer = augmentation.build_augmentation([(n, amounts[n]) for n in names], seed, shape)
        result = keras.ops.convert_to_numpy(layer(images, training=True))
        assert result.shape == images.shape and result.min() >= 0 and result.max() <= 255


ONE = np.ones((1, 2, 2, 3))
CALLS = {
    "interval": lambda a, b: evaluation.accuracy_interval(a, b),
    "confidence": lambda a, b: evaluation.accuracy_interval([0], [0], a),
    "mean": lambda a, b: evaluation.mean_interval(a),
    "calibration": lambda a, b: evaluation.expected_calibration_error(a, b),
    "bins": lambda a, b: evaluation.expected_calibration_error([0], [[0.5, 0.5]], a),
    "table": lambda a, b: evaluation.classification_table([0, 1], [0, 1], a),
    "table's labels": lambda a, b: evaluation.classification_table(a, b, ["a", ""]),
    "probabilities": lambda a, b: evaluation.predict_probabilities(Linear(2), a),
    "model": lambda a, b: evaluation.predict_probabilities(a, ONE),
    "batches": lambda a, b: evaluation.predict_probabilities(Linear(2), ONE, a),
    "views": lambda a, b: evaluation.predict_probabilities(Linear(2), ONE, views=a),
    "share": lambda a, b: evaluation.predict_probabilities(Linear(2), ONE, share=a),
    "temperature": lambda a, b: evaluation.predict_probabilities(Linear(2), ONE, temperature=a),
    "fitted": lambda a, b: evaluation.fit_temperature(a, b),
    "compared": lambda a, b: evaluation.compare_predictions([0, 1], a, b),
    "compared runs": lambda a, b: evaluation.compare_runs(a, b),
    "Brier": lambda a, b: evaluation.brier_score(a, b),
    "likelihood": lambda a, b: evaluation.negative_log_likelihood(a, b),
    "reliability": lambda a, b: evaluation.reliability_curve(a, b),
    "strategy": lambda a, b: evaluation.reliability_curve([0], [[0.5, 0.5]], strategy=a),
    "selective": lambda a, b: evaluation.selective_accuracy(a, b),
    "threshold": lambda a, b: evaluation.conformal_threshold(a, b),
    "coverage": lambda a, b: evaluation.conformal_threshold([0], [[0.5, 0.5]], a),
    "sets": lambda a, b: evaluation.conformal_sets(a, 0.5),
    "reached": lambda a, b: evaluation.conformal_sets([[0.5, 0.5]], a),
    "people": lambda a, b: evaluation.human_agreement(a, b),
    "corrupted": lambda a, b: evaluation.corrupt(a, "contrast", 1),
    "corruption": lambda a, b: evaluation.corrupt(ONE.astype("uint8"), a, b),
    "corruption's seed": lambda a, b: evaluation.corrupt(ONE.astype("uint8"), "contrast", 1, a),
    "grid": lambda a, b: plotting.plot_images(a, b),
    "titles": lambda a, b: plotting.plot_images(np.zeros((2, 3, 3, 3)), a),
    "columns": lambda a, b: plotting.plot_images(np.zeros((2, 3, 3, 3)), columns=a),
    "ax": lambda a, b: plotting.plot_images(np.zeros((2, 3, 3, 3)), ax=a),
    "curves": lambda a, b: plotting.plot_learning_curves(a),
    "values": lambda a, b: plotting.plot_learning_curves({"accuracy": a, "val_accuracy": b}),
    "validation": lambda a, b: plotting.plot_learning_curves(
        {"accuracy": [0, 1], "val_accuracy": [1]}, validation_freq=a
    ),
    "metric": lambda a, b: plotting.plot_learning_curves({"accuracy": [1]}, a),
    "matrix": lambda a, b: plotting.plot_confusion_matrix(a, b, class_names=["x", "y"]),
    "names": lambda a, b: plotting.plot_confusion_matrix([0, 1], [0, 1], class_names=a),
    "unnamed": lambda a, b: plotting.plot_confusion_matrix(a, b),
    "labels": lambda a, b: plotting.plot_confusion_matrix([0, 1], [0, 1], labels=a),
    "weights": lambda a, b: plotting.plot_confusion_matrix([0, 1], [0, 1], sample_weight=a),
    "shown": lambda a, b: plotting.plot_confusion_matrix([0, 1], [0, 1], display_labels=a),
    "format": lambda a, b: plotting.plot_confusion_matrix([0, 1], [0, 1], values_format=a),
    "rotation": lambda a, b: plotting.plot_confusion_matrix([0, 1], [0, 1], xticks_rotation=a),
    "colours": lambda a, b: plotting.plot_confusion_matrix([0, 1], [0, 1], cmap=a),
    "texts": lambda a, b: plotting.plot_confusion_matrix([0, 1], [0, 1], text_kw=a, im_kw=b),
    "mistakes": lambda a, b: plotting.plot_mistakes(
        np.zeros((1, 2, 2, 3)), a, b, class_names=["x", "y"]
    ),
    "padding": lambda a, b: augmentation.PadCropFlip(a),
    "flip": lambda a, b: augmentation.PadCropFlip(2, a),
    "flips": lambda a, b: augmentation.AlternateFlips(a),
    "transforms": lambda a, b: augmentation.build_augmentation(a),
    "amount": lambda a, b: augmentation.build_augmentation([("crop_flip", a), ("shift", b)]),
    "transform": lambda a, b: augmentation.build_augmentation([(a, 1)]),
    "shape": lambda a, b: augmentation.build_augmentation([], input_shape=a),
    "augmentation's seed": lambda a, b: augmentation.build_augmentation([], seed=a),
    "count": lambda a, b: checks.check_count("count", a, lowest=-9, multiple=3),
    "seed": lambda a, b: checks.check_seed(a),
    "large seed": lambda a, b: checks.check_seed(2**32),
    "mirrors": lambda a, b: checks.check_mirrors([a]),
    "network's name": lambda a, b: checks.check_choice("model", a, ["aa", "bb"]),
    "wrong names": lambda a, b: checks.check_names({"x": 0, "y": a}, 2),
    "labelled": lambda a, b: checks.check_labelled(a, b, 3, (2, 2, 3)),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:A single label was found")
@pytest.mark.parametrize("name", CALLS)
@given(a=JUNK, b=JUNK)
def test_everything_else_is_refused_in_our_words(name, a, b):
    with untouched(a, b):
        CALLS[name](a, b)
