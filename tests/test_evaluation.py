"""Judging a classifier: each figure against a published or a known one, and what is refused."""

import warnings

import keras
import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.metrics import precision_recall_fscore_support

from cifar_utils.checks import check_labels
from cifar_utils.data import CLASS_NAMES
from cifar_utils.dataset.synthetic import draw_images
from cifar_utils.evaluation import (
    CORRUPTIONS,
    accuracy_interval,
    brier_score,
    classification_table,
    compare_predictions,
    compare_runs,
    confidence_threshold,
    conformal_sets,
    conformal_threshold,
    corrupt,
    expected_calibration_error,
    fit_temperature,
    human_agreement,
    judge_sets,
    mean_interval,
    negative_log_likelihood,
    predict_probabilities,
    reliability_curve,
    selective_accuracy,
)

WRONG_LABELS = [
    pytest.param(np.zeros((4, 1), int), np.zeros(4, int), id="column of true labels"),
    pytest.param(np.zeros(4, int), np.zeros((4, 1), int), id="column of predictions"),
    pytest.param(np.zeros(4, int), np.zeros((4, 10), int), id="rows of scores"),
    pytest.param(np.zeros(4), np.zeros(4, int), id="float labels"),
    pytest.param(np.zeros(4, int), np.zeros(4), id="float predictions"),
    pytest.param(np.zeros(4, bool), np.zeros(4, bool), id="bools"),
    pytest.param(["cat"] * 4, ["dog"] * 4, id="text"),
    pytest.param(np.zeros(4, int), np.zeros(5, int), id="unequal lengths"),
    pytest.param(np.zeros(4, int), np.zeros(1, int), id="one prediction for all"),
    pytest.param(np.zeros(0, int), np.zeros(0, int), id="empty"),
]


def predictions(right, n):
    return np.zeros(n, int), np.repeat([0, 1], [right, n - right])


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize(
    ("right", "n"), [(0, 1), (1, 1), (0, 10), (10, 10), (3, 7), (7_213, 10_000), (9_999, 10_000)]
)
def test_interval_is_wilsons(right, n, confidence):
    interval = accuracy_interval(*predictions(right, n), confidence=confidence)
    known = binomtest(right, n).proportion_ci(confidence, method="wilson")
    assert interval.accuracy == right / n
    assert interval.low == pytest.approx(known.low, abs=1e-12)
    assert interval.high == pytest.approx(known.high, abs=1e-12)


def test_interval_of_a_published_example():
    # 81 of 263: Newcombe, "Two-sided confidence intervals for the single proportion", 1998.
    interval = accuracy_interval(*predictions(81, 263))
    assert (round(interval.low, 4), round(interval.high, 4)) == (0.2553, 0.3662)


@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_accuracy_lies_in_its_interval_and_both_in_0_to_1(share):
    for n in range(1, 400):
        accuracy, low, high = accuracy_interval(*predictions(round(share * n), n))
        assert 0 <= low <= accuracy <= high <= 1, n
        assert low < high


def test_interval_reads_as_percentages():
    assert str(accuracy_interval(*predictions(75, 100))) == "75.0% (65.7% to 82.5%)"


@pytest.mark.parametrize("confidence", [0, 1, 95, -0.5, float("nan")])
def test_confidence_must_lie_between_0_and_1(confidence):
    with pytest.raises(ValueError, match="Expected confidence as a number from above 0 to below 1"):
        accuracy_interval([0], [0], confidence=confidence)


@pytest.mark.parametrize(("y_true", "y_pred"), WRONG_LABELS)
def test_interval_refuses_other_labels(y_true, y_pred):
    with pytest.raises(ValueError, match=r"Expected labels .*Received"):
        accuracy_interval(y_true, y_pred)


def test_table_has_the_values_of_scikit_learn():
    rng = np.random.default_rng(0)
    y_true = rng.integers(0, 10, 500)
    y_pred = np.where(rng.random(500) < 0.6, y_true, rng.integers(0, 10, 500))
    table = classification_table(y_true, y_pred, CLASS_NAMES)
    known = precision_recall_fscore_support(y_true, y_pred)
    assert list(table.columns) == ["precision", "recall", "f1", "images"]
    assert list(table.index) == [*CLASS_NAMES, "mean"]
    np.testing.assert_allclose(table.iloc[:10].to_numpy().T, known)
    np.testing.assert_allclose(table.loc["mean"].iloc[:3], np.mean(known[:3], axis=1))
    assert table["images"].dtype.kind == "i"
    assert table.loc["mean", "images"] == 500


def test_class_without_images_stays_in_the_table():
    table = classification_table([0, 1, 1], [0, 1, 0], CLASS_NAMES)
    assert list(table.index) == [*CLASS_NAMES, "mean"]
    assert table.loc["truck"].tolist() == [0, 0, 0, 0]


def test_class_never_predicted_has_precision_0_and_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = classification_table([0, 1, 2, 3], [0, 0, 0, 0], CLASS_NAMES)
    assert table.loc["automobile", ["precision", "recall", "f1"]].tolist() == [0, 0, 0]
    assert table.loc["automobile", "images"] == 1
    assert table.loc["airplane", "precision"] == 0.25


@pytest.mark.parametrize(
    ("y_true", "y_pred"),
    [
        *WRONG_LABELS,
        pytest.param([0, 10], [0, 1], id="label 10"),
        pytest.param([0, 1], [0, -1], id="prediction -1"),
    ],
)
def test_table_refuses_other_labels(y_true, y_pred):
    with pytest.raises(ValueError, match=r"Expected labels .*Received"):
        classification_table(y_true, y_pred, CLASS_NAMES)


@pytest.mark.parametrize(
    ("y_true", "y_pred", "message"),
    [
        ([[0], [1]], [0, 1], r"shape \(2, 1\)"),
        ([0.0, 1.0], [0, 1], "float64"),
        ([True, False], [0, 1], "bool"),
        ([], [], r"shape \(0,\)"),
        ([0, 1, 2], [0, 1], "3 labels, 2 labels"),
        ([0, 10], [0, 1], "labels from 0 to 10"),
        ([0, 1], [-1, 1], "labels from -1 to 1"),
        (np.zeros((2, 1), int), [0, 1], r"flat: labels\[:, 0\]"),
        (np.eye(2), [0, 1], r"labels.argmax\(axis=1\)"),
        (["cat", "dog"], [0, 1], "np.unique"),
        ([[0], [1, 2]], [0, 1], r"list \[\[0\], \[1, 2\]\]"),
        (np.ma.array([0, 1], mask=[0, 1]), [0, 1], "MaskedArray"),
    ],
)
def test_bad_labels_get_an_error_that_says_what_came(y_true, y_pred, message):
    with pytest.raises(ValueError, match=rf"(?s)Expected labels.*Received: .*{message}"):
        classification_table(y_true, y_pred, CLASS_NAMES)


def test_classes_of_one_name_keep_their_own_rows():
    table = classification_table([0, 0, 0, 1, 2, 2], [0, 0, 0, 2, 2, 2], ("crane", "crane", "dog"))
    assert list(table.index) == ["crane", "crane", "dog", "mean"]
    assert table["recall"].tolist()[:3] == [1, 0, 1]
    assert table["images"].tolist() == [3, 1, 2, 6]


@pytest.mark.parametrize("name", ["accuracy", "macro avg", "weighted avg", "mean", "", "Ωß\n"])
def test_a_class_may_have_any_name(name):
    table = classification_table([0, 1, 1], [0, 1, 0], ["x", name])
    assert table.iloc[1].tolist() == [1, 0.5, pytest.approx(2 / 3), 2]


NAMES = {
    "list": ["cat", "dog"],
    "array": np.array(["cat", "dog"]),
    "series": pd.Series(["cat", "dog"], index=[7, 8]),
    "mapping by label": {1: "dog", 0: "cat"},
    "keys": {"cat": 9, "dog": 9}.keys(),
    "generator": (name for name in ("cat", "dog")),
}


@pytest.mark.parametrize("kind", NAMES)
def test_names_come_in_any_container_with_an_order(kind):
    names = list(NAMES[kind]) if kind == "generator" else NAMES[kind]
    assert list(classification_table([0, 1], [0, 1], names).index) == ["cat", "dog", "mean"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "one at least"),
        ("cat", "for example a list. Received: str 'cat'"),
        ({"cat", "dog"}, "in the order of the labels.*Received: set"),
        ({"cat": 0, "dog": 1}, r"as keys.*sorted\(class_names, key=class_names.get\)"),
        ({1: "cat", 2: "dog"}, "as keys"),
        ([None, "dog"], "as strings.*None"),
        (2, "for example a list. Received: 2"),
    ],
)
def test_names_without_an_order_are_refused(names, message):
    with pytest.raises(ValueError, match=rf"Expected class_names.*{message}"):
        classification_table([0, 1], [0, 1], names)


def test_good_labels_pass():
    check_labels(np.array([0, 9], np.uint8), [1, 2], num_classes=10)


@pytest.mark.parametrize("form", [list, pd.DataFrame])
def test_calibration_error_takes_what_can_be_an_array(form):
    probabilities = np.array([[0.75, 0.25]] * 4)
    assert expected_calibration_error([0, 0, 0, 1], form(probabilities)) == 0
    with pytest.raises(ValueError, match=r"bins to be a whole number, 1 or more. Received: 0"):
        expected_calibration_error([0, 0, 0, 1], probabilities, bins=0)


def test_no_images_have_no_probabilities():
    with pytest.raises(ValueError, match=r"n at least 1. Received: .*\(0, 32, 32, 3\)"):
        predict_probabilities(Corner(), np.zeros((0, 32, 32, 3)))


def network(*layers):
    return keras.Sequential([keras.Input((4, 4, 3)), *layers])


@pytest.mark.parametrize(
    "end",
    [
        [keras.layers.Dense(3, activation="softmax")],
        [keras.layers.Dense(3), keras.layers.Softmax()],
        [keras.layers.Dense(3), keras.layers.Activation("softmax")],
        [keras.layers.Dense(3, activation="sigmoid")],
        [keras.layers.Dense(3), keras.layers.Lambda(keras.ops.softmax)],
    ],
)
def test_a_network_that_gives_probabilities_itself_is_refused(end):
    model = network(keras.layers.Flatten(), *end)
    with pytest.raises(ValueError, match=r"Expected a model that returns logits.*model.predict"):
        predict_probabilities(model, np.zeros((2, 4, 4, 3), "uint8"))


@pytest.mark.parametrize("outputs", [np.zeros((5, 1)), np.zeros(5), np.zeros((4, 3))])
def test_outputs_that_are_no_logits_are_refused(outputs):
    class Model:
        def predict_on_batch(self, images):
            return outputs

    with pytest.raises(ValueError, match=r"returns logits.*outputs of shape \("):
        predict_probabilities(Model(), np.zeros((5, 4, 4, 3), "uint8"))


@pytest.mark.parametrize("scale", [lambda x: x / 255, lambda x: x / 127.5 - 1])
def test_pixels_scaled_already_are_refused_where_the_network_scales_them(scale):
    images = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3), dtype="uint8")
    head = [keras.layers.Flatten(), keras.layers.Dense(3)]
    scaling, plain = network(keras.layers.Rescaling(1 / 255), *head), network(*head)
    with pytest.raises(ValueError, match="pixels from 0 to 255, as the model scales them itself"):
        predict_probabilities(scaling, scale(images))
    for model, pixels in (
        (scaling, images),
        (scaling, images.astype(float)),
        (plain, images / 255),
    ):
        assert predict_probabilities(model, pixels).shape == (3, 3)


def test_what_a_network_returns_must_be_finite_and_what_it_is_fed_in_its_range():
    images = np.zeros((3, 4, 4, 3))
    broken = network(keras.layers.Flatten(), keras.layers.Dense(2, bias_initializer="ones"))
    broken.layers[-1].bias.assign([np.nan, 0])
    with pytest.raises(ValueError, match=r"finite logits. Received: 50.0% of them"):
        predict_probabilities(broken, images)
    inner = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Rescaling(1 / 255)])
    deep = network(inner, keras.layers.Flatten(), keras.layers.Dense(2))
    assert predict_probabilities(deep, images + 255 + 1e-4).shape == (3, 2)  # as after a rotation
    for wrong in (images + 0.5, images + 300, images - 1):
        with pytest.raises(ValueError, match="pixels from 0 to 255, as the model scales them"):
            predict_probabilities(deep, wrong)
    two = keras.Model(deep.inputs, 2 * deep.outputs)
    with pytest.raises(ValueError, match=r"returns logits.*Received: 2 outputs"):
        predict_probabilities(two, images + 9)


@pytest.mark.parametrize("values", [{0: 0.5}, {0.5, 0.6}, pd.DataFrame([0.5, 0.6]), "0.5", 0.5])
def test_figures_without_an_order_are_refused(values):
    with pytest.raises(ValueError, match="Expected a sequence of finite numbers"):
        mean_interval(values)


def test_images_come_as_an_array_a_list_or_a_tensor():
    images = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3), dtype="uint8")
    model = network(keras.layers.Flatten(), keras.layers.Dense(3))
    wanted = predict_probabilities(model, images)
    for form in (list, keras.ops.convert_to_tensor):
        np.testing.assert_array_equal(predict_probabilities(model, form(images)), wanted)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((4, 4, 3)), r"One image is a batch by images\[None\]"),
        (np.zeros((9, 4, 4)), r"Grey images are given by images\[..., None\]"),
        (np.zeros((9, 3, 4, 4)), r"np.moveaxis\(images, 1, -1\)"),
        (np.zeros((9, 4, 4, 4)), r"images\[..., :3\]"),
        ("dataset", "np.concatenate"),
        ([np.zeros((4, 4, 3)), np.zeros((5, 5, 3))], "resized first"),
        (np.zeros((2, 5, 5, 3)), r"\(4, 4, 3\), as the model takes them"),
        ("cat.png", "Received: str"),
    ],
    ids=lambda value: "" if isinstance(value, str) else type(value).__name__,
)
def test_other_images_are_refused_with_a_hint(images, message):
    if isinstance(images, str) and images == "dataset":
        tf = pytest.importorskip("tensorflow")
        images = tf.data.Dataset.from_tensors(np.zeros((2, 4, 4, 3)))
    model = network(keras.layers.Flatten(), keras.layers.Dense(3))
    with pytest.raises(ValueError, match=rf"Expected images.*Received.*{message}|{message}"):
        predict_probabilities(model, images)


class Corner:
    """A model whose first logit is the image's first pixel."""

    def predict_on_batch(self, images):
        return np.stack([images[:, 0, 0, 0], np.zeros(len(images))], axis=1)


def logits_of(probabilities):
    return np.log(probabilities[:, 0] / probabilities[:, 1])


def test_six_views_average_flips_and_shifts_by_one_pixel():
    images = np.random.default_rng(0).normal(size=(7, 5, 5, 3))
    one = predict_probabilities(Corner(), images, batch_size=3)
    np.testing.assert_allclose(logits_of(one), images[:, 0, 0, 0])
    six = predict_probabilities(Corner(), images, batch_size=3, views=6)
    as_it_is = images[:, 0, 0, 0] + images[:, 0, -1, 0]
    shifted = images[:, 1, 1, 0] + images[:, 1, -2, 0]  # mirrored at the border, or moved in
    np.testing.assert_allclose(logits_of(six), as_it_is / 4 + 2 * shifted / 8)
    with pytest.raises(ValueError, match=r"views of 1 or 6. Received: 5"):
        predict_probabilities(Corner(), images, views=5)


def test_six_views_for_a_share_are_for_those_it_is_least_sure_of():
    images = np.random.default_rng(0).normal(size=(8, 5, 5, 3))
    one, six = (predict_probabilities(Corner(), images, views=views) for views in (1, 6))
    seen = []

    class Counting(Corner):
        def predict_on_batch(self, images):
            seen.append(len(images))
            return super().predict_on_batch(images)

    found = predict_probabilities(Counting(), images, batch_size=3, views=6, share=0.25)
    unsure = np.argsort(abs(one[:, 0] - 0.5))[:2]
    sure = np.setdiff1d(range(8), unsure)
    np.testing.assert_allclose(found[unsure], six[unsure])
    np.testing.assert_allclose(found[sure], one[sure])
    assert sum(seen) == 2.25 * 8
    np.testing.assert_allclose(predict_probabilities(Corner(), images, views=6, share=0), one)


def test_a_temperature_divides_the_logits():
    images = np.random.default_rng(0).normal(size=(8, 5, 5, 3))
    for views in (1, 6):
        whole = predict_probabilities(Corner(), images, views=views)
        halved = predict_probabilities(Corner(), images, views=views, temperature=2)
        np.testing.assert_allclose(logits_of(halved), logits_of(whole) / 2)


@pytest.mark.parametrize("factor", [0.2, 1.0, 3.0])
def test_the_fitted_temperature_is_the_one_that_the_labels_were_drawn_at(factor):
    """Softmax of logits at that temperature, by definition, and labels drawn by it."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, 4))
    exact = np.exp(logits / factor) / np.exp(logits / factor).sum(axis=1, keepdims=True)
    labels = (exact.cumsum(axis=1) < rng.random((20_000, 1))).sum(axis=1)
    given = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert fit_temperature(labels, given) == pytest.approx(factor, rel=0.05)
    mended = given ** (1 / factor) / (given ** (1 / factor)).sum(axis=1, keepdims=True)
    assert expected_calibration_error(labels, mended) < 0.02


def test_a_temperature_is_found_though_some_probabilities_are_zero():
    sure = np.eye(2)[[0, 0, 0, 0]]
    assert 1 < fit_temperature([0, 0, 0, 1], sure) <= 100


def test_calibration_error_of_a_network_that_knows_how_sure_it_may_be():
    probabilities = np.tile([0.8, 0.2], (10, 1))
    assert expected_calibration_error(np.repeat([0, 1], [8, 2]), probabilities) < 1e-12
    assert expected_calibration_error(np.repeat([0, 1], [3, 7]), probabilities) == pytest.approx(
        0.5
    )


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([0, 0, 0], [[5.0, 1.0]] * 3, "rows sum to 1"),  # logits
        ([0], [[0.5, 0.5]] * 3, "as many labels as rows"),
        ([0, 2], [[0.5, 0.5]] * 2, "labels from 0 to 1"),
        ([0, 1], [0.5, 0.5], r"shape \(n, classes\)"),
        ([0, 1], [[0.5, 0.5], [np.nan, 1]], "rows sum to 1"),
        ([0, 1], [[0.5, 0.5], [-0.1, 1.1]], "none below 0"),
        ([], np.zeros((0, 2)), "n at least 1"),
    ],
)
@pytest.mark.parametrize(
    "judge",
    [
        brier_score,
        conformal_threshold,
        expected_calibration_error,
        fit_temperature,
        lambda y_true, probabilities: judge_sets(y_true, probabilities, 0.5),
        negative_log_likelihood,
        reliability_curve,
        selective_accuracy,
    ],
)
def test_what_are_no_probabilities_is_refused(judge, labels, probabilities, message):
    with pytest.raises(ValueError, match=message):
        judge(np.array(labels), np.array(probabilities))


def test_mean_interval_is_students_t():
    interval = mean_interval([0.80, 0.82, 0.84])
    # Two degrees of freedom: 4.303 standard errors of 0.02 / sqrt(3).
    assert interval.mean == pytest.approx(0.82) and interval.reach == pytest.approx(
        0.0497, abs=1e-4
    )
    with pytest.raises(ValueError, match=r"confidence.*1\.5"):
        mean_interval([0.8, 0.9], confidence=1.5)


def split(only_a, only_b, both=0, neither=0):
    """Labels of 0, and predictions of two models that part so often."""
    counts = [only_a, only_b, both, neither]
    a, b = np.repeat([0, 1, 0, 1], counts), np.repeat([1, 0, 0, 1], counts)
    return np.zeros(len(a), int), a, b


def test_comparison_of_a_published_example():
    """Airway reactivity before and after a transplantation, in Fagerland et al., 2014."""
    found = compare_predictions(*split(only_a=1, only_b=7, both=1, neither=12))
    assert (round(found.low, 3), round(found.high, 3)) == (-0.508, -0.013)
    assert found.difference == pytest.approx(-6 / 21) and found[3:5] == (1, 7)
    assert found.p_value == pytest.approx(2 * (1 + 8) / 2**8)  # none or one head of eight tosses
    assert str(found) == "-28.57 points (-50.84 to -1.34), p = 0.07"


def test_models_that_no_image_tells_apart_differ_by_nothing_as_far_as_one_knows():
    found = compare_predictions(*split(0, 0, both=60, neither=40))
    assert found.difference == 0 and found.p_value == 1
    assert found.low == -found.high and 0 < found.high < 0.03


@pytest.mark.parametrize("n", [1, 10, 10_000])
def test_a_model_that_is_always_right_beside_one_that_never_is(n):
    ahead, behind = compare_predictions(*split(n, 0)), compare_predictions(*split(0, n))
    assert ahead.difference == ahead.high == 1 and behind.difference == behind.low == -1
    assert ahead.p_value == behind.p_value == 2 * 0.5**n


def test_runs_are_compared_pair_by_pair():
    found = compare_runs([0.82, 0.85, 0.79], [0.80, 0.82, 0.78])
    # Differences of 2, 3 and 1 points: as of the mean, 4.303 standard errors of 1 / sqrt(3).
    assert found.mean == pytest.approx(0.02) and found.reach == pytest.approx(0.0248, abs=1e-4)
    assert compare_runs([0.8], [0.7]).reach == float("inf")
    with pytest.raises(ValueError, match=r"as many runs of a as runs of b. Received: 2 .*, 3 runs"):
        compare_runs([0.8, 0.9], [0.8, 0.9, 0.7])


@pytest.mark.parametrize("classes", [1, 2, 5])
def test_all_images_of_one_class_and_perfectly_told(classes):
    y_true, sure = np.zeros(7, int), np.eye(classes)[np.zeros(7, int)]
    assert brier_score(y_true, sure) == 0
    assert str(negative_log_likelihood(y_true, sure)) == "0.0"  # not -0.0
    assert reliability_curve(y_true, sure).to_numpy().tolist() == [[1, 1, 7]]
    for strategy in ("uniform", "quantile"):
        assert expected_calibration_error(y_true, sure, strategy=strategy) == 0
    assert (selective_accuracy(y_true, sure)["accuracy"] == 1).all()
    assert conformal_threshold(y_true, sure, coverage=0.5) == 1
    assert judge_sets(y_true, sure, 1.0) == (1, 1)
    assert human_agreement(sure, sure) == (1, 0, 0)


def test_always_sure_and_wrong_is_as_bad_as_can_be():
    y_true, sure = np.zeros(7, int), np.eye(2)[np.ones(7, int)]
    assert brier_score(y_true, sure) == 2
    assert negative_log_likelihood(y_true, sure) == pytest.approx(52 * np.log(2))
    assert expected_calibration_error(y_true, sure) == 1
    assert (selective_accuracy(y_true, sure)["accuracy"] == 0).all()
    assert conformal_threshold(y_true, sure, coverage=0.5) == 0
    assert human_agreement(np.eye(2)[y_true], sure).top_1 == 0


def test_bins_of_equally_many_images_and_those_of_equal_width():
    sure = np.repeat([0.52, 0.97, 0.98, 0.99], [3, 3, 3, 3])
    y_true, probabilities = np.repeat([0, 1], [9, 3]), np.stack([sure, 1 - sure], axis=1)
    even = reliability_curve(y_true, probabilities, bins=4, strategy="quantile")
    assert even["images"].tolist() == [3, 3, 3, 3] and even["accuracy"].tolist() == [1, 1, 1, 0]
    wide = reliability_curve(y_true, probabilities, bins=4)
    assert wide["images"].tolist() == [3, 9] and wide.index.tolist() == [2, 3]
    np.testing.assert_allclose(wide["confidence"], [0.52, 0.98])
    with pytest.raises(ValueError, match=r"Expected a strategy of .*'quantile'"):
        reliability_curve(y_true, probabilities, strategy="equal")


@pytest.mark.parametrize("seed", range(30))
def test_confidence_threshold_keeps_its_promise_and_no_lower_one_does(seed):
    rng = np.random.default_rng(seed)
    sure = rng.choice([0.5, 0.6, 0.7, 0.8, 0.9, 1.0], rng.integers(1, 30))
    y_true, accuracy = (rng.random(len(sure)) > sure).astype(int), rng.uniform(0.3, 1)
    probabilities = np.stack([sure, 1 - sure], axis=1)
    enough = [t for t in set(sure) if (y_true == 0)[sure >= t].mean() >= accuracy]
    if enough:
        assert confidence_threshold(y_true, probabilities, accuracy) == min(enough)
    else:
        with pytest.raises(ValueError, match=r"Expected answers of which .* at best"):
            confidence_threshold(y_true, probabilities, accuracy)


def test_errors_last_make_the_best_curve_and_errors_first_the_worst():
    sure = np.linspace(0.9, 0.6, 10)
    probabilities = np.stack([sure, 1 - sure], axis=1)
    best = selective_accuracy(np.repeat([0, 1], [8, 2]), probabilities)
    assert best["accuracy"].tolist() == [1] * 8 + [8 / 9, 0.8]
    assert best["coverage"].tolist() == [i / 10 for i in range(1, 11)]
    np.testing.assert_array_equal(best["confidence"], sure)
    worst = selective_accuracy(np.repeat([1, 0], [2, 8]), probabilities)
    assert worst["accuracy"].iloc[[0, 1, 9]].tolist() == [0, 0, 0.8]


def test_sets_hold_what_reaches_the_threshold_and_may_be_empty():
    probabilities = np.array([[0.5, 0.3, 0.2], [0.34, 0.33, 0.33], [0.9, 0.1, 0.0]])
    assert conformal_sets(probabilities, 0.5).sum(axis=1).tolist() == [1, 0, 1]
    assert judge_sets([0, 1, 1], probabilities, 0.3) == (pytest.approx(2 / 3), 2)
    with pytest.raises(ValueError, match="threshold as a number from 0 to 1"):
        conformal_sets(probabilities, 1.5)


def test_too_few_images_for_the_promise_give_sets_of_all_classes():
    nine = np.tile([0.8, 0.2], (9, 1))
    assert conformal_threshold([0] * 9, nine, coverage=0.9) == 0.8
    assert conformal_threshold([0] * 8, nine[:8], coverage=0.9) == 0
    with pytest.raises(ValueError, match="coverage as a number from above 0 to below 1"):
        conformal_threshold([0] * 9, nine, coverage=1)


def test_people_are_agreed_with_where_nobody_got_more_votes():
    votes = np.array([[0.5, 0.5, 0.0], [0.2, 0.8, 0.0], [0.0, 0.0, 1.0]])
    uniform = np.full((3, 3), 1 / 3)
    found = human_agreement(votes, uniform)
    assert found.top_1 == pytest.approx(1 / 3)  # class 0, as half of the people in the first row
    assert found.cross_entropy == pytest.approx(np.log(3))
    same = human_agreement(votes, votes)
    assert same.top_1 == 1 and same.kl_divergence == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("votes", "message"),
    [
        (np.full((2, 2), 0.5), r"shape \(n, 2\)"),
        (np.full((1, 3), 1 / 3), "as many rows of votes as rows of probabilities"),
        (np.full((2, 3), 17), "whose rows sum to 1"),  # counts
        (np.full((2, 3), np.nan), "whose rows sum to 1"),
    ],
)
def test_votes_are_shares_for_the_same_images(votes, message):
    with pytest.raises(ValueError, match=message):
        human_agreement(votes, np.full((2, 3), 1 / 3))


def pictures(n=10):
    return draw_images(10, seed=0)[0][:n]


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_each_severity_is_worse_than_the_one_before(kind):
    images = pictures()
    damage = [np.abs(corrupt(images, kind, s).astype(int) - images).mean() for s in range(1, 6)]
    assert len(CORRUPTIONS[kind]) == 5
    assert all(np.diff(damage, prepend=0) > 0), damage


def test_noise_has_the_standard_deviation_that_it_says_and_a_seed():
    grey = np.full((20, 32, 32, 3), 128, "uint8")
    for severity, amount in enumerate(CORRUPTIONS["gaussian_noise"][:4], start=1):
        noise = corrupt(grey, "gaussian_noise", severity, seed=severity) / 255
        assert noise.mean() == pytest.approx(128 / 255, abs=0.003)
        assert noise.std() == pytest.approx(amount, rel=0.03)
    first, other = (corrupt(grey, "gaussian_noise", 3, seed=seed) for seed in (0, 1))
    np.testing.assert_array_equal(first, corrupt(grey, "gaussian_noise", 3))
    assert (first != other).mean() > 0.9 and (first[0] != first[1]).mean() > 0.9


def test_blur_spreads_a_point_by_the_standard_deviation_that_it_says():
    point = np.zeros((1, 33, 33, 1), "uint8")
    point[0, 16, 16] = 255
    for severity, amount in enumerate(CORRUPTIONS["gaussian_blur"], start=1):
        bell = np.exp(-(np.arange(-16, 17) ** 2) / (2 * amount**2))
        known = 255 * np.outer(bell, bell) / bell.sum() ** 2
        found = corrupt(point, "gaussian_blur", severity)
        assert np.abs(found[0, :, :, 0] - known).max() <= 0.6


def test_contrast_shrinks_what_differs_from_the_mean_colour():
    images = pictures()
    for severity, amount in enumerate(CORRUPTIONS["contrast"], start=1):
        found = corrupt(images, "contrast", severity)
        mean = images.mean(axis=(1, 2), keepdims=True)
        assert np.abs(found - mean - amount * (images - mean)).max() <= 0.501


def test_pixelation_leaves_squares_of_the_mean_colour():
    images = pictures(6)[:, :10, :20]
    found = corrupt(images, "pixelate", 5)  # a fifth of the rows and columns: 2 and 4
    blocks = images.reshape(6, 2, 5, 4, 5, 3).mean(axis=(2, 4))
    assert np.abs(found - blocks.repeat(5, axis=1).repeat(5, axis=2)).max() <= 1


def test_compression_keeps_flat_images_and_squares_of_eight_pixels_apart():
    flat = np.full((2, 32, 32, 3), 100, "uint8")
    assert np.abs(corrupt(flat, "jpeg_compression", 5) - 100.0).max() <= 16  # a coarse step
    images = pictures(1)
    images[:, :16, :16] = 50
    other = images.copy()
    other[:, :16, :16] = 200
    found = [corrupt(x, "jpeg_compression", 3)[0, 16:, 16:] for x in (images, other)]
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "gaussian_blurr"}, "Did you mean 'gaussian_blur'"),
        ({"severity": 0}, "severity to be a whole number, 1 or more"),
        ({"severity": 6}, "severity from 1 to 5. Received: 6"),
        ({"seed": -1}, "seed to be a whole number"),
        ({"images": np.zeros((2, 4, 4, 3))}, "uint8"),
    ],
)
def test_other_corruptions_are_refused(change, message):
    arguments = {"images": pictures(2), "kind": "contrast", "severity": 1, "seed": 0}
    with pytest.raises(ValueError, match=rf"Expected .*{message}"):
        corrupt(**arguments | change)
