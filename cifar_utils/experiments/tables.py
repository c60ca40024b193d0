"""The README's tables, rendered from the ledger and nothing else."""

import json
import re
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from cifar_utils.data import SYNTHETIC
from cifar_utils.evaluation import MeanInterval, mean_interval
from cifar_utils.experiments.bench import group_names
from cifar_utils.experiments.ledger import LedgerError, read_records
from cifar_utils.experiments.peers import UNITS
from cifar_utils.recipes import WHOLE, phases

# Tag, network, what its author claims, the recipe that is theirs.
SYSTEMS = (
    ("s0", "plain_cnn", "none given", "plain_cnn"),
    ("s1", "plain_cnn", "≈ 81 %, later 81.94 %", "plain_cnn_l2"),
    ("s2, part one", "dense_head_cnn", "none given", "dense_head_cnn"),
    ("s2, part two", "dense_head_cnn", "≈ 83 %, 150 epochs", "dense_head_cnn_augmented"),
    ("s3", "valid_cnn", "≈ 78 %, 10 epochs", "valid_cnn"),
    ("s4", "residual_cnn", "88.7 %", "residual_cnn"),
)
NOT_RUN = "not yet run"


class Group:
    """Runs that differ in nothing but their seed and the versions of the code they ran with."""

    def __init__(self, records: list[dict]):
        self.records, self.first = records, records[0]

    def mean(self, field: str) -> MeanInterval | None:
        values = [record.get(field) for record in self.records]
        return None if None in values else mean_interval(values)

    @property
    def seconds(self) -> list[float]:
        return [record["train_seconds"] for record in self.records]

    @property
    def device(self) -> str:
        return f"{_machine(self.first['hardware'])}, {self.first['precision']}"


def groups(results: Path | None = None) -> list[Group]:
    """The training records on whole CIFAR-10, grouped: one group a row of a table.

    Runs with few images, or on the stand-in, are no results and are left out.

    Raises
    ------
    LedgerError
        If a seed is there twice, which would make intervals too narrow.
    """
    found = defaultdict(list)
    for record in read_records(results, kind="train"):
        if record["data"]["train_images"] < 45_000 or record["data"]["name"] == SYNTHETIC:
            continue
        same = ("recipe", "settings", "epochs", "data", "precision", "backend", "hardware")
        found[json.dumps([record[key] for key in same], sort_keys=True)].append(record)
    for records in found.values():
        seed, times = Counter(record["seed"] for record in records).most_common(1)[0]
        if times > 1:
            raise LedgerError(
                f"Expected one record of each seed of {records[0]['recipe']}. "
                f"Received: {times} of seed {seed}. Remove all but one of them."
            )
    return [Group(records) for _, records in sorted(found.items())]


def on_one_data_set(runs: list[Group]) -> list[Group]:
    """Those on the data that most runs are on: figures of two data sets are not compared."""
    prints = [run.first["data"]["fingerprint"] for run in runs]
    most = Counter(prints).most_common(1)
    return [run for run, of in zip(runs, prints, strict=True) if of == most[0][0]]


def speeds(results: Path | None = None) -> dict[str, dict[str, dict[str, list[float]]]]:
    """What the latest bench of each machine measured, as ``bench.run`` gives it; newest first.

    Of groups that the bench has no more, nothing.
    """
    present = group_names()
    benches = [r for r in read_records(results, kind="bench") if r["data"]["name"] != SYNTHETIC]
    latest = {}
    for record in sorted(benches, key=lambda record: record["date"], reverse=True):
        measured = {g: figures for g, figures in record["speeds"].items() if g in present}
        latest.setdefault(_machine(record["hardware"]), measured)
    return latest


def _machine(hardware: dict) -> str:
    if hardware["accelerator"] != "none":
        return hardware["accelerator"]
    processor = re.sub(r"\((R|TM)\)| Processor", "", hardware["processor"])
    return f"{hardware['cores']} cores ({processor})"


def tables(results: Path | None = None) -> dict[str, str]:
    """All tables by their names, from the ledger."""
    runs = groups(results)
    compared = on_one_data_set(runs)
    return {
        "systems": systems_table(compared),
        "runs": runs_table(runs),
        "speed": "\n\n".join(
            f"On {machine}:\n\n{speed_table(measured)}"
            for machine, measured in speeds(results).items()
        ),
    }


def render_tables(text: str, new: dict[str, str]) -> str:
    """A text whose tables between ``<!-- table: NAME -->`` and ``<!-- end -->`` are new."""
    for name, table in new.items():
        pattern = rf"(<!-- table: {name} -->\n).*?(<!-- end -->)"
        if not re.search(pattern, text, re.S):
            raise ValueError(f"Expected a place marked '<!-- table: {name} -->'. Received: none.")
        text = re.sub(pattern, lambda m, table=table: f"{m[1]}{table}\n{m[2]}", text, flags=re.S)
    return text


def systems_table(runs: list[Group]) -> str:
    """One row a public system: its claim, its recipe as we measure it, our best.

    Of runs with as many epochs as the recipe has, and validation images set aside. Seconds of
    two machines in one row say which machines.
    """
    whole = [
        run
        for run in runs
        if run.first["epochs"] == run.first["settings"].get("epochs", run.first["epochs"])
    ]
    rows = []
    for tag, model, claim, recipe in SYSTEMS:
        theirs = best([run for run in whole if run.first["recipe"] == recipe])
        ours = best([run for run in whole if run.first["recipe"] == f"{model}_tuned"])
        params = next((r.first["params"] for r in runs if r.first["model"] == model), None)
        cells = [tag, f"`{model}`", f"{params['total']:,}" if params else "", claim]
        several = len({run.device for run in (theirs, ours) if run}) > 1
        for run in (theirs, ours):
            if run is None:
                cells += [NOT_RUN, "", ""]
            else:
                where = f" on {run.device}" if several else ""
                seconds = f"{_span(run.seconds)}{where}"
                cells += [f"{run.mean('test_accuracy')}", run.first["epochs"], seconds]
        rows.append(cells)
    head = (
        "system",
        "network",
        "parameters",
        "their claim",
        "their recipe, in our hands",
        "epochs",
    )
    return _markdown((*head, "seconds", "our recipe for it", "epochs", "seconds"), rows)


def runs_table(runs: list[Group]) -> str:
    """One row a recipe, machine and budget, best first."""
    rows = [
        [
            f"`{run.first['recipe']}`",
            f"{run.mean('test_accuracy')}",
            f"{run.mean('test_accuracy_views6')}" if run.mean("test_accuracy_views6") else "–",
            f"{100 * run.mean('val_accuracy').mean:.1f} %" if run.mean("val_accuracy") else "–",
            f"{run.mean('test_nll').mean:.3f}" if run.mean("test_nll") else "diverged",
            f"{100 * run.mean('test_ece').mean:.1f} %" if run.mean("test_ece") else "–",
            run.first["epochs"],
            _span(run.seconds),
            f"{np.mean([r['images_per_second'] for r in run.records]):,.0f}",
            f"{run.first['data']['name']}, {run.first['data']['train_images']:,}",
            run.device,
        ]
        for run in sorted(runs, key=lambda run: -run.mean("test_accuracy").mean)
    ]
    head = (
        "recipe",
        "test accuracy",
        "six views",
        "validation",
        "NLL",
        "calibration error",
        "epochs",
    )
    return _markdown((*head, "seconds", "images/s", "training images", "machine"), rows)


def speed_table(measured: dict[str, dict[str, list[float]]]) -> str:
    """How fast each contestant is, and how many times faster ours; one row each.

    ``measured`` is from ``bench.run``. Ratios are taken within each round.
    """
    rows = []
    for group, figures in measured.items():
        unit = UNITS.get(group, "images/s")
        for label, theirs in figures.items():
            done = [figure for figure in theirs if figure is not None]
            none = "failed" if theirs else "can't run on this machine"
            cells = [f"{np.median(done):,.0f} {unit}" if done else none, ""]
            if faster := ratios(group, figures, label):
                cells[1] = f"{np.median(faster):.2f} ({min(faster):.2f} to {max(faster):.2f})"
            rows.append([label, *cells])
    return _markdown(("", "median", "ours is faster by (below 1: slower), median and range"), rows)


def ratios(group: str, figures: dict[str, list[float]], label: str) -> list[float]:
    """How many times faster ours, the first of its group, was in each round that both did."""
    ours_label, ours = next(iter(figures.items()))
    theirs = figures[label]
    if label == ours_label or not theirs:
        return []
    power = -1 if UNITS.get(group) == "s" else 1
    pairs = zip(ours, theirs, strict=True)
    return [(a / b) ** power for a, b in pairs if a is not None and b is not None]


def small_until(record: dict) -> list[tuple[int, int]]:
    """Last epoch, counted from 1, and side in pixels of each phase that had reduced images."""
    found = phases(record["epochs"], record["settings"].get("sides", ()))
    return [(end, side) for _, end, side in found if side < WHOLE]


def best(runs: list[Group]) -> Group | None:
    """The runs that validated best on average, of those with the most seeds, up to five.

    The test accuracy is what they are then judged by, so it may not choose among them.
    """

    def rank(run: Group) -> tuple[int, float]:
        return min(len(run.records), 5), run.mean("val_accuracy").mean

    return max((run for run in runs if run.mean("val_accuracy")), key=rank, default=None)


def _span(values: list[float]) -> str:
    """The mean and, of several, the range."""
    mean = f"{np.mean(values):,.0f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):,.0f} to {max(values):,.0f})"


def _markdown(head: tuple, rows: list[list]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
