"""Plots show all classes, name their data, and leave the caller's settings alone."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import ConfusionMatrixDisplay

from cifar_utils.data import CLASS_NAMES
from cifar_utils.plotting import (
    plot_confusion_matrix,
    plot_images,
    plot_learning_curves,
    plot_mistakes,
)

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
LABELS = np.arange(12) % 10
PROBABILITIES = RNG.dirichlet(np.ones(10), 12)
HISTORY = {"accuracy": [0.1, 0.2], "val_accuracy": [0.1, 0.3], "loss": [2.0, 1.0]}


def draw_confusion(**options):
    return plot_confusion_matrix(LABELS, LABELS, class_names=CLASS_NAMES, **options).ax_


PLOTS = {
    "images": lambda **options: plot_images(IMAGES, [""] * 12, **options),
    "curves": lambda **options: plot_learning_curves(HISTORY, **options),
    "confusion": draw_confusion,
    "mistakes": lambda **options: plot_mistakes(
        IMAGES, LABELS, PROBABILITIES, class_names=CLASS_NAMES, **options
    ),
}


@pytest.mark.parametrize("draw", PLOTS.values(), ids=PLOTS)
def test_plot_names_its_data_and_draws_where_it_is_told(draw, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda: pytest.fail("show was called"))
    before = dict(mpl.rcParams)
    _, ax = plt.subplots()
    assert draw(ax=ax, data_name="synthetic stand-in") is ax
    texts = [text.get_text() for text in ax.texts] + [ax.get_title(loc="right")]
    assert "synthetic stand-in" in texts
    assert dict(mpl.rcParams) == before
    assert draw() is not ax  # a figure of its own, without a name


def test_confusion_matrix_has_every_class_also_those_without_images():
    y_true, y_pred = np.array([0, 0, 3]), np.array([0, 1, 3])
    display = plot_confusion_matrix(y_true, y_pred, class_names=CLASS_NAMES)
    assert isinstance(display, ConfusionMatrixDisplay)
    matrix = display.confusion_matrix
    assert matrix.shape == (10, 10) and np.isfinite(matrix).all()
    np.testing.assert_allclose(matrix.sum(axis=1), [1, 0, 0, 1, 0, 0, 0, 0, 0, 0])
    assert display.im_.get_cmap().name == "cividis"
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels == list(CLASS_NAMES)


def test_confusion_matrix_counts_without_normalisation():
    display = plot_confusion_matrix(LABELS, LABELS, class_names=CLASS_NAMES, normalize=None)
    np.testing.assert_array_equal(display.confusion_matrix, np.diag(np.bincount(LABELS)))


@pytest.mark.parametrize(
    ("y_true", "y_pred"),
    [([0, 10], [0, 1]), ([[0], [1]], [0, 1]), ([0, 1], [0]), ([0.0, 1.0], [0, 1])],
    ids=["out of range", "column", "unequal", "floats"],
)
def test_confusion_matrix_refuses_bad_labels(y_true, y_pred):
    with pytest.raises(ValueError, match="Expected labels"):
        plot_confusion_matrix(y_true, y_pred, class_names=CLASS_NAMES)


@pytest.mark.parametrize(
    "images",
    [IMAGES[0], IMAGES[..., :2], IMAGES[:0], IMAGES.astype("float32"), IMAGES.astype("int64")],
    ids=["one image", "two channels", "none", "floats to 255", "int64"],
)
def test_grid_refuses_what_it_would_show_wrongly(images):
    with pytest.raises(ValueError, match=r"Expected images .*Received: "):
        plot_images(images)


def test_grid_shows_the_pixels_and_every_title():
    titles = [f"number {i}" for i in range(12)]
    ax = plot_images(IMAGES, titles, columns=5)
    assert [text.get_text() for text in ax.texts] == titles
    sheet = ax.images[0].get_array()
    positions = [(round(text.get_position()[1] + 1.5), text.get_position()[0]) for text in ax.texts]
    for image, (top, middle) in zip(IMAGES, positions, strict=True):
        left = round(middle - 16)
        np.testing.assert_allclose(sheet[top : top + 32, left : left + 32, :3], image / 255)


def test_grid_needs_a_title_for_each_image():
    with pytest.raises(ValueError, match=r"Expected 12 titles.*Received: 2"):
        plot_images(IMAGES, ["a", "b"])


def test_titles_may_be_an_array():
    ax = plot_images(IMAGES, np.array(CLASS_NAMES)[LABELS])
    assert [text.get_text() for text in ax.texts] == [CLASS_NAMES[label] for label in LABELS]


def test_curves_need_a_known_metric():
    for unknown in ("f1", "val_accuracy"):  # the latter comes with its twin
        with pytest.raises(ValueError, match=rf"Expected a metric of .*Received: '{unknown}'"):
            plot_learning_curves(HISTORY, unknown)


def test_curves_draw_validation_where_there_is_one():
    assert len(plot_learning_curves(HISTORY).lines) == 2
    assert len(plot_learning_curves(HISTORY, "loss").lines) == 1


def test_mistakes_come_surest_first():
    ax = plot_mistakes(IMAGES, LABELS, PROBABILITIES, class_names=CLASS_NAMES, count=5)
    wrong = PROBABILITIES.argmax(axis=1) != LABELS
    sure = np.sort(PROBABILITIES.max(axis=1)[wrong])[::-1][:5]
    shown = [text.get_text().split()[1] for text in ax.texts]
    assert shown == [f"{p:.0%}" for p in sure]


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        (LABELS, 5 * PROBABILITIES, "Apply softmax"),
        (LABELS, PROBABILITIES[:5], r"12 labels, 5 rows"),
        (LABELS[:5], PROBABILITIES, "5 labels"),
    ],
    ids=["logits", "few rows", "few labels"],
)
def test_mistakes_refuse_what_they_cannot_judge(labels, probabilities, message):
    with pytest.raises(ValueError, match=message):
        plot_mistakes(IMAGES, labels, probabilities, class_names=CLASS_NAMES)


def test_a_network_without_mistakes_is_told_so():
    ax = plot_mistakes(IMAGES, LABELS, np.eye(10)[LABELS], class_names=CLASS_NAMES, data_name="x")
    assert [text.get_text() for text in ax.texts] == ["no mistakes in 12 images", "x"]


def test_mistakes_of_a_shuffled_series_have_the_right_names():
    order = RNG.permutation(12)
    series = pd.Series(LABELS).loc[order]
    shuffled = IMAGES[order], PROBABILITIES[order]
    axes = [
        plot_mistakes(list(shuffled[0]), labels, shuffled[1], class_names=CLASS_NAMES)
        for labels in (series, LABELS[order])
    ]
    first, second = ([text.get_text() for text in ax.texts] for ax in axes)
    assert first == second


def test_titles_may_be_numbers_in_a_series():
    ax = plot_images(IMAGES[:3], pd.Series([3, 1, 2], index=[7, 8, 9]))
    assert [text.get_text() for text in ax.texts] == ["3", "1", "2"]


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plot_images(IMAGES, columns=0),
        lambda: plot_mistakes(IMAGES, LABELS, PROBABILITIES, class_names=CLASS_NAMES, count=0),
    ],
)
def test_nothing_to_show_is_refused(draw):
    with pytest.raises(ValueError, match=r"a whole number, 1 or more. Received: 0"):
        draw()
