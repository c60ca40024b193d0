"""The tables of the pages, rendered from the ledger and nothing else."""

import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cifar_utils.data import SYNTHETIC
from cifar_utils.dataset.files import OFFICIAL
from cifar_utils.evaluation import MeanInterval, mean_interval
from cifar_utils.experiments.ledger import LedgerError, read_records
from cifar_utils.experiments.peers import CONTESTANTS
from cifar_utils.pretrained import figure_text
from cifar_utils.recipes import RECIPES


@dataclass(frozen=True)
class System:
    """One of the five public tutorials: its network, its recipe here, and what it claims."""

    tag: str
    network: str
    recipe: str
    claim: str  # as its author puts it
    accuracy: float | None  # the claim as a fraction


SYSTEMS = (
    System("s0", "plain_cnn", "plain_cnn", "none", None),
    System("s1", "plain_cnn", "plain_cnn_l2", "≈ 81 %", 0.81),
    System("s2, part one", "dense_head_cnn", "dense_head_cnn", "none", None),
    System("s2, part two", "dense_head_cnn", "dense_head_cnn_augmented", "≈ 83 %", 0.83),
    System("s3", "valid_cnn", "valid_cnn", "≈ 78 %", 0.78),
    System("s4", "residual_cnn", "residual_cnn", "88.7 %", 0.887),
)
OURS = ("fast_cnn", "fast_cnn_large")  # not for a network of theirs
NOT_RUN = "not yet run"
FIGURES = {  # of a judgement: its name in the table, and whether it is a share of images
    "accuracy": ("accuracy", True),
    "accuracy_without_rejected": ("without rejected labels", True),
    "accuracy_without_duplicates": ("without near-duplicates", True),
    "accuracy_without_both": ("without both", True),
    "corrupted_accuracy": ("mean accuracy under corruption", True),
    "human_agreement": ("agreement with people", True),
    "human_cross_entropy": ("cross-entropy of their votes (nats)", False),
    "human_kl_divergence": ("KL divergence from their votes (nats)", False),
    "calibration_error": ("calibration error", True),
    "calibration_error_scaled": ("… after one temperature", True),
    "nll": ("NLL (nats)", False),
    "nll_scaled": ("… after one temperature", False),
    "brier": ("Brier score", False),
    "brier_scaled": ("… after one temperature", False),
}


class Group:
    """Runs that differ in nothing but their seed, and where and with what code they were run.

    Accuracy does not mind the machine; seconds are told by :meth:`by_machine`.
    """

    def __init__(self, records: list[dict]):
        self.records, self.first = records, records[0]

    def mean(self, field: str) -> MeanInterval | None:
        values = [record.get(field) for record in self.records]
        return None if None in values else mean_interval(values)

    @property
    def petaflop(self) -> str:
        """Floating-point operations of one training, in units of 10**15."""
        petaflop = self.first["operations"] / 1e15
        return f"{petaflop:.3f}" if petaflop > 5e-4 else f"{petaflop:.5f}"

    def by_machine(self) -> dict[str, list[dict]]:
        """The records by machine and precision."""
        found = defaultdict(list)
        for record in self.records:
            found[f"{_machine(record['hardware'])}, {record['precision']}"].append(record)
        return dict(sorted(found.items()))


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
        same = ("recipe", "settings", "epochs", "data")
        found[json.dumps([record[key] for key in same], sort_keys=True)].append(record)
    for records in found.values():
        seed, times = Counter(record["seed"] for record in records).most_common(1)[0]
        if times > 1:
            raise LedgerError(
                f"Expected one record of each seed of {records[0]['recipe']}. "
                f"Received: {times} of seed {seed}. Remove all but one of them."
            )
    return [Group(records) for _, records in sorted(found.items())]


def histories(results: Path | None = None) -> dict[str, list[dict]]:
    """The learning curves that come with the package, by recipe: see ``load_histories``."""
    curves = ("accuracy", "loss", "val_accuracy", "val_loss")
    found = {}
    for run in groups(results):
        recipe, data = run.first["recipe"], run.first["data"]
        if data["train_images"] == 45_000 and run.first["epochs"] == RECIPES[recipe].epochs:
            found[recipe] = [
                {key: [round(value, 4) for value in record["history"][key]] for key in curves}
                for record in sorted(run.records, key=lambda record: record["seed"])
            ]
    return found


def judgements(results: Path | None = None) -> dict[str, dict]:
    """What comes with the package of each network that was judged: see ``load_judgement``.

    By the record of its training; of several judgements the newest. Those on few images, or on
    the stand-in, are left out.
    """
    found = {}
    for record in sorted(read_records(results, kind="judge"), key=lambda record: record["date"]):
        if record["data"]["name"] == OFFICIAL:
            fields = ("recipe", "seed", "figures", "corrupted")
            found[record["record"]] = {field: record.get(field) for field in fields}
    return dict(sorted(found.items()))


def on_one_data_set(runs: list[Group]) -> list[Group]:
    """Those on the data that most runs are on: figures of two data sets are not compared."""
    prints = [run.first["data"]["fingerprint"] for run in runs]
    most = Counter(prints).most_common(1)
    return [run for run, of in zip(runs, prints, strict=True) if of == most[0][0]]


def speeds(results: Path | None = None) -> dict[str, dict[str, dict[str, list[float]]]]:
    """What the latest bench of each machine measured, as ``bench.run`` gives it; newest first.

    Of contestants that the bench has no more, nothing.
    """
    benches = [r for r in read_records(results, kind="bench") if r["data"]["name"] != SYNTHETIC]
    latest = {}
    for record in sorted(benches, key=lambda record: record["date"], reverse=True):
        measured = {
            group: {c.label: figures[c.label] for c in CONTESTANTS if c.label in figures}
            for group, figures in record["speeds"].items()
        }
        latest.setdefault(_machine(record["hardware"]), measured)
    return latest


def _machine(hardware: dict) -> str:
    if hardware["accelerator"] != "none":
        return hardware["accelerator"]
    processor = re.sub(r"\((R|TM)\)| Processor", "", hardware["processor"])
    strongest = hardware.get("vector_units", [])[-1:]
    return f"{hardware['cores']} cores ({', '.join([processor, *strongest])})"


def tables(results: Path | None = None) -> dict[str, str]:
    """All tables of the ledger's page by their names."""
    runs = groups(results)
    compared = on_one_data_set(runs)
    by_machine = (
        f"On {machine}:\n\n{speed_table(measured)}" for machine, measured in speeds(results).items()
    )
    return {
        "headlines": headlines_table(compared),
        "systems": systems_table(compared),
        "runs": runs_table(runs),
        "certainty": certainty_table(runs),
        "judged": judged_table([*judgements(results).values()]),
        "seconds": seconds_table(runs),
        "speed": "\n\n".join(by_machine),
    }


def render_tables(text: str, new: dict[str, str]) -> str:
    """A text whose tables between ``<!-- table: NAME -->`` and ``<!-- end -->`` are new."""
    for name, table in new.items():
        pattern = rf"(<!-- table: {name} -->\n).*?(<!-- end -->)"
        if not re.search(pattern, text, re.S):
            raise ValueError(f"Expected a place marked '<!-- table: {name} -->'. Received: none.")
        text = re.sub(pattern, lambda m, table=table: f"{m[1]}{table}\n{m[2]}", text, flags=re.S)
    return text


def whole(runs: list[Group], recipe: str) -> Group | None:
    """The recipe's runs with as many epochs as it has; of several, the most seeds."""
    found = [
        run
        for run in runs
        if run.first["recipe"] == recipe
        and run.first["epochs"] == run.first["settings"].get("epochs", run.first["epochs"])
    ]
    return max(found, key=lambda run: len(run.records), default=None)


def headlines_table(runs: list[Group]) -> str:
    """One row a system and a network of ours, at a glance."""
    rows = []
    for system in SYSTEMS:
        theirs, ours = whole(runs, system.recipe), whole(runs, f"{system.network}_tuned")
        rows.append([system.tag, system.claim, _accuracy(theirs), _accuracy(ours), _cost(ours)])
    for name in OURS:
        ours = whole(runs, name)
        rows.append([f"`{name}`", "", "", _accuracy(ours), _cost(ours)])
    head = ("network of", "its claim", "its recipe, rebuilt", "our recipe", "PFLOP of ours")
    return _markdown(head, rows)


def systems_table(runs: list[Group]) -> str:
    """One row a public system and length of training: its claim, its recipe, our best."""
    rows = []
    for system in SYSTEMS:
        theirs = [run for run in runs if run.first["recipe"] == system.recipe]
        theirs.sort(key=lambda run: run.first["epochs"])
        ours = whole(runs, f"{system.network}_tuned")
        for run in theirs or [None]:
            rows.append([
                system.tag,
                f"`{system.network}`",
                system.claim,
                _accuracy(run),
                run.first["epochs"] if run else "",
                _rising(run),
                _cost(run),
                _reached(system, run),
                _accuracy(ours),
                _cost(ours),
            ])  # fmt: skip
    head = ("system", "network", "its claim", "its recipe, rebuilt", "epochs", "rising by", "PFLOP")
    return _markdown((*head, "claim reached", "our recipe", "PFLOP"), rows)


def _rising(run: Group | None) -> str:
    """By how many points the validation accuracy of the last five epochs beats the five before."""
    if run is None or not run.mean("val_accuracy") or run.first["epochs"] < 10:
        return ""
    curves = [record["history"]["val_accuracy"] for record in run.records]
    return f"{100 * np.mean([np.mean(c[-5:]) - np.mean(c[-10:-5]) for c in curves]):.1f}"


def _accuracy(run: Group | None) -> str:
    return f"{run.mean('test_accuracy')}" if run else NOT_RUN


def _cost(run: Group | None) -> str:
    return run.petaflop if run else ""


def _reached(system: System, run: Group | None) -> str:
    if run is None or system.accuracy is None:
        return "–"
    short = 100 * (system.accuracy - run.mean("test_accuracy").mean)
    return "yes" if short <= 0 else f"no, {short:.1f} points short"


def runs_table(runs: list[Group]) -> str:
    """One row a recipe and budget, best first."""
    rows = [
        [
            f"`{run.first['recipe']}`",
            run.petaflop,
            _accuracy(run),
            _or_dash(run.mean("test_accuracy_views6")),
            _or_dash(run.mean("test_accuracy_views6_quarter")),
            _or_dash(run.mean("val_accuracy")),
            run.first["epochs"],
            f"{run.first['data']['name']}, {run.first['data']['train_images']:,}",
        ]
        for run in sorted(runs, key=lambda run: -run.mean("test_accuracy").mean)
    ]
    head = ("recipe", "PFLOP", "test accuracy", "six views", "six for a quarter", "validation")
    return _markdown((*head, "epochs", "training images"), rows)


def certainty_table(runs: list[Group]) -> str:
    """What one temperature does for each recipe that had validation images to fit it on."""

    def figure(run, field, form):
        found = run.mean(field)
        return form.format(found.mean) if found else "–"

    rows = [
        [
            f"`{run.first['recipe']}`",
            run.first["epochs"],
            figure(run, "temperature", "{:.2f}"),
            figure(run, "test_ece", "{:.1%}"),
            figure(run, "test_ece_scaled", "{:.1%}"),
            figure(run, "test_nll", "{:.3f}"),
            figure(run, "test_nll_scaled", "{:.3f}"),
        ]
        for run in runs
        if run.mean("temperature")
    ]
    head = ("recipe", "epochs", "temperature", "calibration error", "after it", "NLL", "after it")
    return _markdown(head, rows)


def judged_table(judged: list[dict]) -> str:
    """One row a figure, one column a network; records of kind "judge" will do."""
    if not judged:
        return "not yet judged"
    rows = [
        [name, *(figure_text(one["figures"][key], percent=share) for one in judged)]
        for key, (name, share) in FIGURES.items()
        if all(key in one["figures"] for one in judged)
    ]
    networks = [
        f"`{one['recipe']}`" + ("" if one.get("seed") is None else f", seed {one['seed']}")
        for one in judged
    ]
    return _markdown(("", *networks), rows)


def seconds_table(runs: list[Group]) -> str:
    """How long the same runs took, on each machine."""
    rows = []
    for run in runs:
        for machine, records in run.by_machine().items():
            speed = np.mean([record["images_per_second"] for record in records])
            seconds = _span([record["train_seconds"] for record in records])
            rows.append([machine, f"`{run.first['recipe']}`", run.first["epochs"], len(records)])
            rows[-1] += [seconds, f"{speed:,.0f}"]
    head = ("machine and precision", "recipe", "epochs", "runs", "seconds", "images/s")
    return _markdown(head, sorted(rows, key=lambda row: row[0]))


def _or_dash(interval: MeanInterval | None) -> str:
    return str(interval or "–")


def speed_table(measured: dict[str, dict[str, list[float]]]) -> str:
    """How fast each contestant is, and how many times faster ours; one row each.

    ``measured`` is from ``bench.run``. Ratios are taken within each round.
    """
    rows = []
    for group, figures in measured.items():
        for label, theirs in figures.items():
            done = [figure for figure in theirs if figure is not None]
            none = "failed" if theirs else "can't run on this machine"
            cells = [group, label, f"{np.median(done):,.0f}" if done else none, ""]
            if faster := ratios(figures, label):
                cells[-1] = f"{np.median(faster):.2f} ({min(faster):.2f} to {max(faster):.2f})"
            rows.append(cells)
    return _markdown(("", "by", "images/s", "ours is faster by (median, range)"), rows)


def ratios(figures: dict[str, list[float]], label: str) -> list[float]:
    """How many times faster ours, the first of its group, was in each round that both did."""
    ours_label, ours = next(iter(figures.items()))
    theirs = figures[label]
    if label == ours_label or not theirs:
        return []
    pairs = zip(ours, theirs, strict=True)
    return [a / b for a, b in pairs if a is not None and b is not None]


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
