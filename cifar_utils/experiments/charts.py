"""The figures, drawn from the ledger and nothing else."""

from collections.abc import Iterator
from io import BytesIO
from itertools import cycle
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, PercentFormatter
from PIL import Image

from cifar_utils.data import CLASS_NAMES
from cifar_utils.experiments.tables import (
    NOT_RUN,
    SYSTEMS,
    Group,
    best,
    groups,
    on_one_data_set,
    ratios,
    speeds,
    whole,
)
from cifar_utils.plotting import label_source, plot_confusion_matrix


def draw(results: Path | None, figures: Path, only: str | None = None) -> Iterator[Path]:
    """Draw each figure that there are records for; yield the path of each one written.

    Parameters
    ----------
    results : path, optional
        The ledger's folder; without, ``ledger.default_folder()``.
    figures : path
        The folder that they are written to.
    only : str, optional
        Name of a figure, such as ``"speed"``, to draw no other.

    Yields
    ------
    Path
    """
    runs, benches = on_one_data_set(groups(results)), speeds(results)
    charts = []
    if runs:
        charts += [
            ("staircase", plot_staircase, runs),
            ("accuracy_against_cost", plot_cost, runs),
            ("learning_curves", plot_curves, runs),
        ]
    if winner := best(runs):
        charts.append(("confusion_matrix", plot_confusion, winner))
    if benches:
        charts.append(("speed", plot_speed, benches))
    figures.mkdir(exist_ok=True)
    for name, plot, records in charts:
        if only not in (None, name):
            continue
        figure = plot(records).get_figure()
        path = figures / f"{name}.png"
        drawn = BytesIO()
        figure.savefig(drawn, dpi=150)
        plt.close(figure)
        # In 64 colours they are as clear, and a third of the size: they change with every record.
        Image.open(drawn).convert("RGB").quantize(64, dither=0).save(path, optimize=True)
        yield path


THEIRS, OURS_COLOR = "0.55", "tab:blue"


LEFT = ("fast_cnn", "plain_cnn_tuned", "resnet20", "plain20", "dense_head_cnn",
        "dense_head_cnn_augmented")  # whose names have more room on that side  # fmt: skip


def plot_cost(runs: list[Group]) -> Axes:
    """Test accuracy against the cost of the training, and from a system's recipe to ours."""
    _, ax = plt.subplots(figsize=(8, 5.5), layout="constrained")
    shown = {}  # of several budgets of images, the one with the most seeds
    for run in sorted(runs, key=lambda run: len(run.records)):
        if run.first["recipe"] != "linear":  # far below all others: the staircase has it
            shown[run.first["recipe"], run.first["epochs"]] = run
    authors = {system.recipe: system for system in SYSTEMS}
    labels, places = {False: [], True: []}, {}
    for (recipe, epochs), run in shown.items():
        accuracy, cost = run.mean("test_accuracy"), run.first["operations"] / 1e15
        reach = 100 * accuracy.reach if accuracy.runs > 2 else 0  # two runs say next to nothing
        system = authors.get(recipe)
        color, mark = (THEIRS, "s") if system else (OURS_COLOR, "o")
        ax.errorbar(cost, 100 * accuracy.mean, reach, fmt=mark, color=color, ms=5, capsize=3)
        several = sum(other == recipe for other, _ in shown) > 1
        name = system.tag if system else _ours_for(recipe)
        label = cost, 100 * accuracy.mean, name + f", {epochs} epochs" * several, color
        labels[recipe in LEFT and epochs < 100].append(label)
        places.setdefault(recipe, (cost, 100 * accuracy.mean))
    for system in SYSTEMS:
        ends = [places.get(recipe) for recipe in (system.recipe, f"{system.network}_tuned")]
        if all(ends):
            arrow = {"arrowstyle": "->", "color": "0.8", "shrinkA": 5, "shrinkB": 5}
            ax.annotate("", ends[1], ends[0], arrowprops=arrow, zorder=0)
    _measure_cost(ax, runs)
    ax.margins(x=0.1, y=0.08)
    ax.set_xlim(right=ax.get_xlim()[1] * 5)  # room for labels
    ax.set(xlabel="cost of the training (PFLOP)", ylabel="test accuracy, one view")
    for to_left, beside in labels.items():
        _write_beside(ax, beside, to_left)
    return ax


def _ours_for(recipe: str) -> str:
    """A recipe of ours by the systems whose network it trains; else its own name."""
    tags = [s.tag.split(",")[0] for s in SYSTEMS if recipe == f"{s.network}_tuned"]
    return f"ours for {' and '.join(dict.fromkeys(tags))}" if tags else recipe


NAMES = {  # on the front page, for those who don't know the recipes
    "linear": "linear model (01)",
    "valid_cnn": "small CNN, its author's recipe (02)",
    "valid_cnn_tuned": "the same CNN, a better recipe (05)",
    "residual_cnn_tuned": "residual network (04)",
    "fast_cnn": "fast CNN (05)",
    "fast_cnn_large": "fast CNN, twice as wide",
}


def plot_staircase(runs: list[Group]) -> Axes:
    """Test accuracy against the cost of the training: each step is the best for its cost."""
    _, ax = plt.subplots(figsize=(8, 4.8), layout="constrained")
    points = sorted(
        (run.first["operations"] / 1e15, 100 * run.mean("test_accuracy").mean, name)
        for recipe, name in NAMES.items()
        if (run := whole(runs, recipe))
    )
    steps, best_yet = [], 0.0
    for cost, accuracy, name in points:
        # Beside a step, the room is on the left; at the first, and beside the others, it isn't.
        at = {"ha": "right", "xytext": (-8, 0)} if steps else {"xytext": (8, 6)}
        if accuracy > best_yet:
            steps.append((cost, accuracy))
            best_yet, color = accuracy, OURS_COLOR
        else:
            at, color = {"xytext": (8, -7)}, THEIRS
        ax.plot(cost, accuracy, "o", color=color)
        at |= {"textcoords": "offset points", "va": "center_baseline", "fontsize": 9}
        ax.annotate(name, (cost, accuracy), color=color, **at)
    end = 2.5 * max(cost for cost, *_ in points)
    x, y = zip(*steps, (end, best_yet), strict=True)
    ax.plot(x, y, drawstyle="steps-post", color=OURS_COLOR, alpha=0.4, zorder=0)
    _measure_cost(ax, runs)
    ax.set_xlim(x[0] / 2, end * 8)
    ax.set_ylim(min(y) - 6, max(y) + 4)
    ax.set(xlabel="cost of the training (PFLOP: 10¹⁵ operations)", ylabel="test accuracy")
    return ax


def _measure_cost(ax: Axes, runs: list[Group]) -> None:
    """Petaflop in plain numbers, by powers of ten, to the right, and percent upwards."""
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.yaxis.set_major_formatter(PercentFormatter(decimals=0))
    ax.grid(alpha=0.3)
    label_source(ax, runs[0].first["data"]["name"])


def _write_beside(ax: Axes, labels: list[tuple[float, float, str, str]], to_left: bool) -> None:
    """Write each text beside its point, and below others that it would meet."""
    ax.figure.draw_without_rendering()  # places the Axes
    high, wide, taken = 16, 7, []  # pixels of a line and a letter
    away, align = (-8, "right") if to_left else (8, "left")
    for x, y, text, color in sorted(labels, key=lambda label: -label[1]):
        near, up = ax.transData.transform((x, y))
        left, right = sorted((near, near + np.sign(away) * wide * len(text)))
        place = up
        for other_left, other_right, other in sorted(taken, key=lambda spot: -spot[2]):
            if left < other_right and other_left < right and place > other - high:
                place = other - high
        taken.append((left, right, place))
        down = (place - up) * 72 / ax.figure.dpi
        at = {"xytext": (away, down), "textcoords": "offset points", "va": "center", "ha": align}
        behind = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}
        ax.annotate(text, (x, y), color=color, fontsize=9, bbox=behind, **at)


def plot_curves(runs: list[Group]) -> Figure:
    """Validation accuracy after each epoch, a system's recipe beside ours: mean and range."""
    networks = list(dict.fromkeys(system.network for system in SYSTEMS))
    figure, axes = plt.subplots(2, 2, figsize=(9, 6.5), layout="constrained", sharey=True)
    for ax, network in zip(axes.flat, networks, strict=True):
        tags = {s.recipe: s.tag for s in SYSTEMS if s.network == network}
        shown = {}
        for run in sorted(runs, key=lambda run: run.first["epochs"]):  # of several, the longest
            recipe = run.first["recipe"]
            if recipe in (*tags, f"{network}_tuned") and run.mean("val_accuracy"):
                shown[tags.get(recipe, "ours")] = run
        dashes = cycle(("-", (0, (1, 1))))
        for tag, run in sorted(shown.items(), key=lambda item: (item[0] == "ours", item[0])):
            curves = np.array([100 * np.array(r["history"]["val_accuracy"]) for r in run.records])
            mean, x = curves.mean(axis=0), np.arange(1, curves.shape[1] + 1)
            color, dash = (OURS_COLOR, "-") if tag == "ours" else (THEIRS, next(dashes))
            ax.plot(x, mean, linestyle=dash, color=color, label=tag)
            ax.fill_between(x, curves.min(axis=0), curves.max(axis=0), color=color, alpha=0.2, lw=0)
        ax.set_title(network)
        if not shown:
            ax.text(0.5, 0.5, NOT_RUN, ha="center", transform=ax.transAxes, color=THEIRS)
            ax.set_xticks([])
            continue
        ax.legend(loc="lower right", fontsize=9)
        ax.set_xlim(left=0)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.yaxis.set_major_formatter(PercentFormatter(decimals=0))
        ax.grid(alpha=0.3)
    figure.supxlabel("epoch")
    figure.supylabel("validation accuracy, mean and range")
    return figure


def plot_confusion(run: Group) -> Axes:
    """Confusion matrix on the test images of one recipe, all its seeds together."""
    counts = np.sum([record["confusion_matrix"] for record in run.records], axis=0)
    y_true, y_pred = np.indices(counts.shape)
    name = f"{run.first['recipe']}, {len(run.records)} runs, {run.first['data']['name']}"
    return plot_confusion_matrix(
        y_true.ravel(),
        y_pred.ravel(),
        sample_weight=counts.ravel(),
        class_names=CLASS_NAMES,
        data_name=name,
    ).ax_


def plot_speed(benches: dict[str, dict[str, dict[str, list[float]]]]) -> Axes:
    """How many times faster ours is than each other contestant: median and range, by machine."""
    rows = [
        (f"{group}: {label}", machine, faster)
        for machine, measured in benches.items()
        for group, figures in measured.items()
        for label in figures
        if (faster := ratios(figures, label))
    ]
    labels = list(dict.fromkeys(label for label, _, _ in rows))
    _, ax = plt.subplots(figsize=(8, 1.2 + 0.35 * len(labels)), layout="constrained")
    colors = dict(zip(benches, cycle(f"C{number}" for number in range(10)), strict=False))
    for label, machine, faster in rows:
        place, middle = labels.index(label), np.median(faster)
        around = [[middle - min(faster)], [max(faster) - middle]]
        color = colors[machine]
        ax.errorbar(middle, place, xerr=around, fmt="o", capsize=3, color=color)
        at = {"textcoords": "offset points", "ha": "center", "color": color, "fontsize": 9}
        ax.annotate(f"{middle:.1f} ×", (middle, place), (0, 6), **at)
    for machine, color in colors.items():
        ax.plot([], [], "o", color=color, label=machine)
    ax.set_yticks(range(len(labels)), labels)
    ax.axvline(1, color="0.5", linestyle="--", linewidth=1)
    ax.invert_yaxis()
    ax.margins(y=0.1)
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set(xlabel="ours is faster by a factor of (median and range of the rounds)")
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8, loc="lower right", bbox_to_anchor=(1, 1))
    return ax
