"""The figures, drawn from the ledger and nothing else."""

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from cifar_utils.data import CLASS_NAMES
from cifar_utils.experiments.tables import (
    Group,
    best,
    groups,
    on_one_data_set,
    ratios,
    small_until,
    speeds,
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
        ax = plot(records)
        path = figures / f"{name}.png"
        ax.figure.savefig(path, dpi=110, metadata={"Software": None})
        plt.close(ax.figure)
        yield path


def plot_cost(runs: list[Group]) -> Axes:
    """Test accuracy of every recipe against its training time."""
    _, ax = plt.subplots(figsize=(9, 4.5), layout="constrained")
    # After ten, colours come again, with the marks hollow.
    marks = cycle((mark, fill) for fill in ("full", "none") for mark in "osD^vP*X<>")
    for run, name, (mark, fill) in zip(runs, _names(runs), marks, strict=False):
        accuracy = run.mean("test_accuracy")
        reach = 100 * accuracy.reach if accuracy.runs > 2 else 0  # two runs say next to nothing
        label = f"{name} ({accuracy.runs})"
        mean = np.mean(run.seconds)
        spread = [[mean - min(run.seconds)], [max(run.seconds) - mean]]
        style = {"fmt": mark, "fillstyle": fill, "ls": "", "capsize": 3}
        ax.errorbar(mean, 100 * accuracy.mean, reach, spread, label=label, **style)
    ax.set_xscale("log")
    ax.margins(x=0.15)
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set(
        xlabel="training time (seconds), mean and range",
        ylabel="test accuracy (%), mean and 95 % interval",
    )
    ax.grid(alpha=0.3)
    _add_legend(ax, title="recipe (seeds)")
    label_source(ax, runs[0].first["data"]["name"])
    return ax


def _add_legend(ax: Axes, title: str | None = None) -> None:
    """A legend on the right, and a figure high enough for it."""
    legend = ax.legend(fontsize=8, title=title, loc="center left", bbox_to_anchor=(1, 0.5))
    lines = sum(1 + text.get_text().count("\n") for text in legend.get_texts())
    ax.figure.set_figheight(max(4.5, 0.6 + 0.17 * lines))


def _names(runs: list[Group]) -> list[str]:
    """Each group's recipe, and what tells groups apart; the machine, where there are several."""
    counts = [run.first["data"]["train_images"] for run in runs]
    usual = max(counts, key=counts.count, default=None)
    names = []
    for run in runs:
        name = run.first["recipe"]
        same = [other for other in runs if other.first["recipe"] == name]
        if len({other.first["epochs"] for other in same}) > 1:
            name += f", {run.first['epochs']} epochs"
        if (count := run.first["data"]["train_images"]) != usual:
            name += f", {count:,} images"
        if len({other.device for other in runs}) > 1:
            name += f"\non {run.device}"
        names.append(name)
    return names


def plot_curves(runs: list[Group]) -> Axes:
    """Validation accuracy after each epoch: mean and range of the seeds.

    Runs of other epochs than their recipe's are left out.
    """
    _, ax = plt.subplots(figsize=(9, 4.5), layout="constrained")
    validated = [
        run
        for run in runs
        if run.mean("val_accuracy")
        and run.first["settings"].get("epochs") in (None, run.first["epochs"])
    ]
    marks, lines = cycle("osD^vP*"), cycle(("-", "--", "-.", ":"))  # colours come again after ten
    for run, label, mark, line in zip(validated, _names(validated), marks, lines, strict=False):
        curves = 100 * np.array([record["history"]["val_accuracy"] for record in run.records])
        epochs = range(1, run.first["epochs"] + 1)
        for last, side in small_until(run.first):
            label += f"\n(to epoch {last} at {side} × {side} pixels)"
        ax.plot(epochs, curves.mean(axis=0), mark + line, markersize=3, label=label)
        ax.fill_between(epochs, curves.min(axis=0), curves.max(axis=0), alpha=0.2)
    ax.set(xlabel="epoch", ylabel="validation accuracy (%), mean and range")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.grid(alpha=0.3)
    _add_legend(ax)
    label_source(ax, runs[0].first["data"]["name"])
    return ax


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
    faster = {
        machine: {
            f"{group}: {label}": ratios_of
            for group, figures in measured.items()
            for label in figures
            if (ratios_of := ratios(group, figures, label))
        }
        for machine, measured in benches.items()
    }
    labels = list(dict.fromkeys(label for measured in faster.values() for label in measured))
    _, ax = plt.subplots(figsize=(8, 1.1 + 0.3 * len(labels)), layout="constrained")
    for (machine, measured), marker in zip(faster.items(), cycle("osD^vP"), strict=False):
        medians = np.array([np.median(r) for r in measured.values()])
        around = [
            medians - [min(r) for r in measured.values()],
            [max(r) for r in measured.values()] - medians,
        ]
        places = [labels.index(label) for label in measured]
        ax.errorbar(medians, places, xerr=around, fmt=marker, ls="", capsize=3, label=machine)
    ax.set_yticks(range(len(labels)), labels)
    ax.axvline(1, color="black", linestyle="--", linewidth=1)
    ax.invert_yaxis()
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set(xlabel="ours is faster by a factor of (median, range)")
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    return ax
