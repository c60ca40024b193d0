"""Plots show all classes, name their data, and leave the caller's settings alone."""

import inspect
import itertools
import warnings

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import seaborn
from matplotlib.ticker import PercentFormatter
from sklearn.metrics import ConfusionMatrixDisplay

from cifar_utils.data import CLASS_NAMES
from cifar_utils.plotting import (
    overlay_heat,
    plot_confusion_matrix,
    plot_feature_maps,
    plot_images,
    plot_learning_curves,
    plot_map,
    plot_mistakes,
)

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
LABELS = np.arange(12) % 10
PROBABILITIES = RNG.dirichlet(np.ones(10), 12)
MAPS = {"first": RNG.normal(size=(2, 8, 8, 4)), "second": RNG.normal(size=(2, 3, 2, 9))}
PLACES = RNG.normal(size=(12, 2))
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
    "maps": lambda **options: plot_feature_maps(MAPS, **options),
    "map": lambda **options: plot_map(IMAGES, PLACES, LABELS, class_names=CLASS_NAMES, **options),
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


def test_hidden_diagonal_leaves_the_colours_to_the_confusions():
    y_true, y_pred = np.repeat([0, 1, 2], 100), np.repeat([0, 1, 1, 2], [90, 110, 10, 90])
    display = plot_confusion_matrix(y_true, y_pred, class_names=list("abc"), hide_diagonal=True)
    assert display.confusion_matrix.diagonal().min() == 0.9  # the numbers are all there
    drawn = display.im_.get_array()
    assert drawn.mask.sum() == 3 and drawn.mask.diagonal().all()
    assert display.im_.get_clim() == (0, drawn.max()) == (0, 0.1)
    assert [t.get_visible() for t in display.text_.flat] == (~drawn.mask).ravel().tolist()
    plain = {"class_names": list("abc"), "include_values": False, "hide_diagonal": True}
    assert plot_confusion_matrix(y_true, y_pred, **plain).text_ is None


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


def test_names_may_be_a_mapping_and_typeset_nothing():
    names = {1: r"$\foo", 0: "50 % of $5_x"}
    display = plot_confusion_matrix([0, 1], [0, 1], class_names=names)
    display.figure_.canvas.draw()  # would raise if it took them for mathematics
    assert [t.get_text() for t in display.ax_.get_yticklabels()] == [names[0], names[1]]
    titles = [r"$\bar", "$a$"]
    ax = plot_images(IMAGES[:2], titles)
    ax.figure.canvas.draw()
    assert [t.get_text() for t in ax.texts] == titles


class History:
    """As Keras' callback of that name."""

    def __init__(self, history, epoch):
        self.history, self.epoch = history, epoch


@pytest.mark.parametrize(
    ("count", "values", "options", "epochs"),
    [
        (6, 3, {}, [2, 4, 6]),
        (7, 3, {}, [2, 4, 6]),
        (4, 4, {}, [1, 2, 3, 4]),
        (6, 2, {"validation_freq": 3}, [3, 6]),
        (5, 1, {"validation_freq": 4}, [4]),
        (5, 2, {"validation_freq": [1, 5]}, [1, 5]),
    ],
)
def test_validation_is_drawn_at_the_epochs_that_it_was_made_after(count, values, options, epochs):
    history = {"loss": np.linspace(6, 1, count), "val_loss": np.linspace(5, 3, values)}
    training, validation = plot_learning_curves(history, "loss", **options).lines
    assert list(training.get_xdata()) == list(range(1, count + 1))
    assert list(validation.get_xdata()) == epochs


def test_a_training_that_went_on_is_drawn_at_its_own_epochs():
    history = History({"loss": [3, 2, 1], "val_loss": [2.0]}, [4, 5, 6])
    training, validation = plot_learning_curves(history, "loss", validation_freq=3).lines
    assert list(training.get_xdata()) == [5, 6, 7] and list(validation.get_xdata()) == [6]


@pytest.mark.parametrize(
    ("history", "options", "message"),
    [
        ({"loss": [5, 4, 3, 2, 1], "val_loss": [2]}, {}, "by validation_freq, as given to fit"),
        ({"loss": [2, 1], "val_loss": [3, 2, 1]}, {}, "a validation in every epoch"),
        ({"loss": [2, 1], "val_loss": [3]}, {"validation_freq": 1}, "2 values of validation"),
        ({"loss": []}, {}, "one at least"),
        ({"loss": 3.0}, {}, "one an epoch"),
        ([0.1, 0.2], {}, "Expected history as what fit returns.*Received: list"),
        (None, {}, "Received: NoneType"),
    ],
)
def test_values_that_cannot_be_told_to_epochs_are_refused(history, options, message):
    with pytest.raises(ValueError, match=message):
        plot_learning_curves(history, "loss", **options)
    assert not plt.get_fignums()


def test_histories_on_one_ax_can_be_told_apart():
    _, ax = plt.subplots()
    for label in (None, None, "wider"):
        plot_learning_curves(History(HISTORY, [0, 1]), label=label, ax=ax)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["training", "validation", "2: training", "2: validation",
                      "wider, training", "wider, validation"]  # fmt: skip


OPTIONS = {
    "include_values": False, "values_format": ".1%", "cmap": "magma", "colorbar": False,
    "labels": [2, 0], "sample_weight": np.arange(12.0), "xticks_rotation": "vertical",
    "text_kw": {"fontsize": 3, "color": "red"}, "im_kw": {"vmax": 0.5}, "normalize": "pred",
    "display_labels": ["a", "b"],
}  # fmt: skip


@pytest.mark.parametrize("labels", [None, [2, 0]], ids=["all", "two"])
def test_every_option_of_scikit_learn_means_what_it_means_there(labels):
    options = OPTIONS | {"labels": labels, "display_labels": list("ba") if labels else list("abc")}
    y_pred = RNG.integers(0, 3, 12)
    ours = plot_confusion_matrix(LABELS % 3, y_pred, **options)
    theirs = ConfusionMatrixDisplay.from_predictions(LABELS % 3, y_pred, **options)
    np.testing.assert_array_equal(ours.confusion_matrix, theirs.confusion_matrix)
    for display in (ours, theirs):
        assert display.text_ is None and display.im_.colorbar is None
        assert display.im_.get_cmap().name == "magma" and display.im_.get_clim()[1] == 0.5
    assert list(ours.display_labels) == list(theirs.display_labels)
    more = {"include_values": True, "colorbar": True}
    ours = plot_confusion_matrix(LABELS % 3, y_pred, **options | more)
    theirs = ConfusionMatrixDisplay.from_predictions(LABELS % 3, y_pred, **options | more)
    for a, b in zip(ours.text_.flat, theirs.text_.flat, strict=True):
        assert (a.get_text(), a.get_color(), a.get_size()) == (b.get_text(), "red", 3)


def test_the_parameters_are_those_of_scikit_learn_and_ours():
    theirs = inspect.signature(ConfusionMatrixDisplay.from_predictions).parameters
    ours = inspect.signature(plot_confusion_matrix).parameters
    assert set(ours) - set(theirs) == {"class_names", "data_name", "hide_diagonal"}
    assert set(theirs) <= set(ours)


def test_labels_without_names_are_those_of_scikit_learn():
    y_true, y_pred = ["cat", "dog", "cat"], ["cat", "cat", "cat"]
    display = plot_confusion_matrix(y_true, y_pred, normalize=None)
    assert list(display.display_labels) == ["cat", "dog"]
    np.testing.assert_array_equal(display.confusion_matrix, [[2, 0], [1, 0]])


@pytest.mark.parametrize("name", ["labels", "class_names"])
def test_labels_choose_and_order_what_is_shown(name):
    options = {"labels": [5, 3], "class_names": CLASS_NAMES, "normalize": None}
    display = plot_confusion_matrix([3, 5, 5, 1], [3, 3, 5, 1], **options)
    assert list(display.display_labels) == ["dog", "cat"]
    np.testing.assert_array_equal(display.confusion_matrix, [[1, 1], [0, 1]])


@pytest.mark.parametrize(
    "options",
    [{"values_format": "?"}, {"cmap": "no such"}, {"text_kw": {"nonsense": 1}},
     {"im_kw": {"nonsense": 1}}, {"xticks_rotation": "sideways"}, {"normalize": "rows"},
     {"labels": [0, 99]}, {"labels": []}, {"display_labels": ["a"]}, {"sample_weight": [1]},
     {"class_names": ["a"]}],
    ids=lambda options: next(iter(options)),
)  # fmt: skip
def test_options_that_are_none_leave_nothing_behind(options):
    _, ax = plt.subplots()
    before, figures = set(ax.get_children()), plt.get_fignums()
    for where in ({}, {"ax": ax}):
        with pytest.raises(ValueError, match=r"(?s)Expected .* Received: "):
            plot_confusion_matrix(LABELS, LABELS, **{"class_names": CLASS_NAMES} | options | where)
    assert set(ax.get_children()) == before and plt.get_fignums() == figures


@pytest.mark.parametrize("draw", PLOTS.values(), ids=PLOTS)
def test_axes_are_one(draw):
    axes = plt.subplots(1, 2)[1]
    with pytest.raises(ValueError, match=r"ax as Matplotlib's Axes.*give one: axes\[0\]"):
        draw(ax=axes)


@pytest.mark.parametrize("draw", PLOTS.values(), ids=PLOTS)
@pytest.mark.parametrize("layout", [None, "tight", "constrained"])
def test_every_layout_can_follow(draw, layout):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for ax in (draw(), draw(ax=plt.subplots(layout=layout)[1])):
            if layout != "constrained":
                ax.figure.tight_layout()
            ax.figure.subplots_adjust() if layout is None else None
            ax.figure.canvas.draw()


def overlaps(texts, renderer):
    """Pairs of texts whose drawn boxes cross, with half a pixel for rounding."""
    boxes = [t.get_window_extent(renderer).padded(-0.5) for t in texts if t.get_text()]
    return [(a, b) for a, b in itertools.combinations(boxes, 2) if a.overlaps(b)]


@pytest.mark.parametrize(
    ("count", "length", "own"),
    [(2, 3, True), (10, 25, True), (30, 3, True), (100, 25, True), (10, 25, False), (30, 3, False)],
)
def test_confusion_matrix_is_legible_from_2_to_100_classes(count, length, own):
    names = [f"{i:03d}{'m' * (length - 3)}" for i in range(count)]
    ax = None if own else plt.subplots(figsize=(5, 5), layout="constrained")[1]
    display = plot_confusion_matrix(*[np.arange(count)] * 2, class_names=names, ax=ax)
    display.figure_.canvas.draw()
    renderer = display.figure_.canvas.get_renderer()
    # Boxes of names at an angle always cross: these are told apart by their distance.
    upright = display.ax_.get_xticklabels() if count > 20 or length > 12 else []
    assert not overlaps(display.ax_.get_yticklabels(), renderer)
    assert not overlaps(upright, renderer)
    cell = display.ax_.get_window_extent().width / count
    if display.text_ is not None:
        widths = [text.get_window_extent(renderer).width for text in display.text_.flat]
        assert max(widths) < cell and display.text_[0, 0].get_size() >= 4.9
    assert (display.text_ is None) == (count == 100) or not own
    size = display.figure_.get_size_inches()
    assert max(size) < 20
    for text in [*display.ax_.get_xticklabels(), *display.ax_.get_yticklabels()]:
        box = text.get_window_extent(renderer)
        assert own is False or (box.x0 >= -1 and box.y0 >= -1)  # nothing is cut off


STYLES = ["default", "dark_background", "ggplot", "grayscale", "bmh", "seaborn-v0_8-poster"]
UPSET = {
    "image.origin": "lower", "image.aspect": "auto", "axes.grid": True, "axes.grid.which": "both",
    "xtick.minor.visible": True, "xtick.labelbottom": False, "font.size": 20, "text.color": "red",
    "figure.autolayout": True, "axes.titlelocation": "left",
}  # fmt: skip


@pytest.mark.parametrize("style", [*STYLES, "seaborn", UPSET], ids=str)
def test_no_style_decides_what_is_shown(style):
    with mpl.rc_context():
        if style == "seaborn":
            seaborn.set_theme()
        else:
            plt.style.use(style)
        ax = plot_images(IMAGES, ["title"] * 12)
        ax.figure.canvas.draw()
        top, bottom = ax.get_ylim()
        assert top > bottom and ax.get_aspect() == 1  # the first row is the upper one
        display = plot_confusion_matrix(LABELS, LABELS, class_names=CLASS_NAMES)
        display.figure_.canvas.draw()
        for a in display.figure_.axes + display.ax_.child_axes:
            grid = a.get_xgridlines() + a.get_ygridlines()
            assert not any(line.get_visible() for line in grid)
        names = [t.get_text() for t in display.ax_.get_xticklabels() if t.get_visible()]
        assert names == list(CLASS_NAMES)
        plot_learning_curves(HISTORY).figure.canvas.draw()


def test_titles_of_25_letters_keep_to_their_column():
    ax = plot_images(IMAGES, ["m" * 25] * 12)
    ax.figure.canvas.draw()
    assert not overlaps(ax.texts, ax.figure.canvas.get_renderer())


def test_grey_images_are_shown_grey():
    sheet = plot_images(IMAGES[..., :1]).images[0].get_array()
    assert (sheet[..., 0] == sheet[..., 2]).all()


@pytest.mark.parametrize("draw", PLOTS.values(), ids=PLOTS)
def test_axes_that_cannot_hold_a_plot_are_refused(draw):
    removed = plt.subplots()[1]
    removed.remove()
    for ax in (plt.subplot(projection="polar"), plt.subplot(projection="3d"), removed):
        before = len(ax.get_children())
        with pytest.raises(ValueError, match="Expected ax as plain Axes of a figure"):
            draw(ax=ax)
        assert len(ax.get_children()) == before


def test_limits_and_scales_of_the_axes_decide_nothing():
    _, ax = plt.subplots()
    ax.set(xlim=(0, 1), ylim=(0, 1))
    assert plot_images(IMAGES, ax=ax).get_xlim()[1] > 300
    _, ax = plt.subplots()
    ax.set(xlim=(0, 1), ylim=(0, 1))
    assert draw_confusion(ax=ax).get_xlim() == (-0.5, 9.5)
    ax.set_xscale("log")
    with pytest.raises(ValueError, match="ax with linear scales"):
        draw_confusion(ax=ax)


def test_accuracy_and_loss_on_one_ax_are_no_percentages_of_each_other():
    ax = plot_learning_curves(HISTORY)
    assert isinstance(ax.yaxis.get_major_formatter(), PercentFormatter)
    plot_learning_curves(HISTORY, "loss", ax=ax)
    assert not isinstance(ax.yaxis.get_major_formatter(), PercentFormatter)


def test_masked_values_are_gaps_and_sets_are_refused():
    values = np.ma.array([0.1, 0.9, 0.2], mask=[0, 1, 0])
    (line,) = plot_learning_curves({"accuracy": values}).lines
    assert np.isnan(line.get_ydata()).tolist() == [False, True, False]
    with pytest.raises(ValueError, match="a set, which has no order"):
        plot_confusion_matrix(["a", "b"], ["a", "b"], labels={"a", "b"})
    with pytest.raises(ValueError, match="Expected titles in the order"):
        plot_images(IMAGES[:2], {"a", "b"})


def test_sizes_of_ones_own_and_negative_weights_are_as_in_scikit_learn():
    display = draw_display(text_kw={"size": 5}, include_values=True)
    assert display.text_[0, 0].get_size() == 5
    display = draw_display(sample_weight=-np.arange(1.0, 13), normalize=None)
    assert display.im_.get_clim()[0] < 0


def draw_display(**options):
    return plot_confusion_matrix(LABELS, LABELS, class_names=CLASS_NAMES, **options)


def test_heat_glows_on_grey_images():
    heat = np.zeros((12, 32, 32))
    heat[:, 8:16, 8:16] = 1
    shown = overlay_heat(IMAGES, heat)
    assert shown.shape == IMAGES.shape and shown.min() >= 0 and shown.max() <= 1
    colourful = np.ptp(shown, axis=-1) > 1e-9
    np.testing.assert_array_equal(colourful, heat > 0)
    np.testing.assert_array_equal(shown, overlay_heat(IMAGES / 255, 2 * heat))  # is clipped
    assert overlay_heat(IMAGES[..., :1], -heat).shape == IMAGES.shape
    plot_images(shown)


@pytest.mark.parametrize(
    "heat", [np.zeros((12, 32)), np.full((12, 32, 32), np.nan), None, [[1], []]]
)
def test_other_heat_is_refused(heat):
    with pytest.raises(ValueError, match=r"heat as finite numbers of shape \(12, 32, 32\). Rec"):
        overlay_heat(IMAGES, heat)


def test_feature_maps_come_strongest_first_a_row_a_layer():
    ax = plot_feature_maps(MAPS, image=1, count=5)
    texts = [text.get_text().split("\n") for text in ax.texts]
    assert len(texts) == 2 * 4  # as many as the first layer has
    assert [row[0] for row in texts[:2] + texts[4:6]] == ["first", "8 × 8", "second", "3 × 2"]
    for row, values in zip((texts[:4], texts[4:]), MAPS.values(), strict=True):
        highest = values[1].max(axis=(0, 1))
        assert [int(channel) for _, channel in row] == np.argsort(-highest)[:4].tolist()
    sheet = np.asarray(ax.images[0].get_array())
    assert set(np.unique(sheet[..., 3])) == {0, 1} and sheet[..., :3].max() == 1
    plot_feature_maps({"nothing": np.full((1, 2, 2, 1), -1.0)})


@pytest.mark.parametrize(
    ("maps", "options", "message"),
    [
        ({}, {}, "mapping of layers' names"),
        (MAPS["first"], {}, "mapping of layers' names.*ndarray"),
        ({"a": np.zeros((8, 8, 4))}, {}, r"maps of a as finite numbers of shape \(n, rows, col"),
        (MAPS, {"image": 2}, "image below 2, the number of them. Received: 2"),
        (MAPS, {"count": 0}, "count"),
    ],
)
def test_other_maps_are_refused(maps, options, message):
    with pytest.raises(ValueError, match=rf"Expected .*{message}"):
        plot_feature_maps(maps, **options)


@pytest.mark.parametrize("labels", [LABELS, None], ids=["framed", "plain"])
def test_every_image_is_on_the_map_at_its_place_or_near_it(labels):
    images = np.arange(1, 13, dtype="uint8")[:, None, None, None] * np.full(
        (1, 32, 20, 3), 10, "uint8"
    )
    ax = plot_map(images, PLACES, labels)
    canvas = np.asarray(ax.images[0].get_array())
    left, right, below, above = ax.images[0].get_extent()
    for i, place in enumerate(PLACES):
        rows, columns = np.nonzero((canvas == [*[10 * (i + 1)] * 3, 255]).all(axis=-1))
        assert len(rows) == 32 * 20
        x = left + (columns.mean() + 0.5) / canvas.shape[1] * (right - left)
        y = above - (rows.mean() + 0.5) / canvas.shape[0] * (above - below)
        assert np.hypot(*(place - (x, y))) < 0.35 * np.ptp(PLACES)
    assert ax.get_xlim() == (left, right) and ax.get_ylim() == (below, above)


def test_names_stand_among_the_images_of_their_class():
    places = 9.0 * (LABELS[:, None] == 3) + RNG.normal(size=(12, 2))
    ax = plot_map(IMAGES / 255, places, LABELS, class_names=CLASS_NAMES)
    found = {text.get_text(): text.get_position() for text in ax.texts}
    assert set(found) == {CLASS_NAMES[label] for label in LABELS}
    assert max(found, key=lambda name: found[name][0]) == CLASS_NAMES[3]


def test_maps_of_few_many_or_large_images_in_strange_places():
    for places in (
        np.zeros((12, 2)),
        PLACES * [1, 0],
        PLACES * [1e9, 1],
        np.arange(24).reshape(12, 2),
    ):
        plot_map(IMAGES, places).figure.canvas.draw()
    large = np.zeros((2, 300, 200, 1), "uint8")
    canvas = plot_map(large, [[0, 0], [1, 1]]).images[0].get_array()
    assert max(canvas.shape) < 500
    plot_map(large[:1], [[5, 5]], [2], class_names=["a", "b", "c"]).figure.canvas.draw()


@pytest.mark.parametrize(
    ("places", "labels", "message"),
    [
        (PLACES[:5], None, r"places as finite numbers of shape \(12, 2\)"),
        (PLACES * np.nan, None, r"places as finite numbers .* 100.0% of them not finite"),
        ("here", None, "places as finite numbers"),
        (PLACES, LABELS[:5], "12 images, 5 labels"),
        (PLACES, LABELS + 1, "labels from 0 to 9"),
    ],
)
def test_other_places_are_refused(places, labels, message):
    with pytest.raises(ValueError, match=rf"Expected .*{message}"):
        plot_map(IMAGES, places, labels, class_names=CLASS_NAMES)


def test_more_images_than_a_map_has_room_for_are_refused():
    images = np.zeros((3001, 2, 2, 1), "uint8")
    with pytest.raises(ValueError, match=r"3,000 images at most.*Received: 3,001.*images\[:1000\]"):
        plot_map(images, np.zeros((3001, 2)))
