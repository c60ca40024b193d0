"""The plan of records: which runs the ledger is to hold, and which it lacks."""

import time
import tomllib
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cifar_utils.checks import check_count, expected
from cifar_utils.data import ImageData
from cifar_utils.experiments.ledger import is_of, machine_key, read_records, write_record
from cifar_utils.experiments.run import IDENTITY, identity, run_seed, tell
from cifar_utils.fast.machine import usable_hardware
from cifar_utils.models import build_model
from cifar_utils.operations import operations
from cifar_utils.recipes import RECIPES

FILE = "plan.toml"
OPTIONS = ("recipe", "seeds", "epochs", "all_images")


@dataclass(frozen=True, order=True)
class Planned:
    """One run that the ledger is to hold.

    Attributes
    ----------
    cost : int
        Floating-point operations of the training, about: for the order, and for estimates.
    recipe : str
    epochs, seed : int
    all_images : bool
        Whether no image is set aside to validate.
    """

    cost: int
    recipe: str
    epochs: int
    seed: int
    all_images: bool


def read_plan(file: Path, images: int = 50_000) -> list[Planned]:
    """Read a plan, cheapest run first.

    A plan is a TOML file with one table ``[[runs]]`` for each recipe: its ``recipe``, how many
    ``seeds``, and perhaps ``epochs`` other than the recipe's, or ``all_images = true``.

    Parameters
    ----------
    file : path
    images : int
        How many a training has, about; for the costs.

    Raises
    ------
    ValueError
        If there is no such file, it is no such plan, or it names a run twice.
    """
    try:
        tables = tomllib.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise expected(f"{file} as a plan of records", error) from None
    runs = tables.get("runs")
    if set(tables) != {"runs"} or not isinstance(runs, list):
        raise expected(f"{file} with tables [[runs]] and nothing else", ", ".join(tables) or "none")
    planned = []
    for run in runs:
        unknown = set(run) - set(OPTIONS) if isinstance(run, dict) else {run}
        if unknown or "recipe" not in run:
            raise expected(f"runs with recipe, and perhaps {', '.join(OPTIONS[1:])}", run)
        recipe, all_images = RECIPES[run["recipe"]], run.get("all_images", False)
        if not isinstance(all_images, bool):
            raise expected("all_images of true or false", repr(all_images))
        recipe = replace(recipe, epochs=run.get("epochs", recipe.epochs))
        network = build_model(recipe.model, **recipe.model_options)
        cost = sum(operations(network, recipe, max(images, recipe.batch_size)).values())
        planned += [
            Planned(cost, recipe.name, recipe.epochs, seed, all_images)
            for seed in range(check_count("seeds", run.get("seeds", 1)))
        ]
    for twice in planned:
        if planned.count(twice) > 1:
            raise expected("each run once in the plan", f"{twice.recipe}, {twice.epochs} epochs")
    return sorted(planned)


def work_off(
    plan: list[Planned],
    data: Callable[[bool], ImageData],
    test: tuple[np.ndarray, np.ndarray],
    *,
    results: Path,
    state: Path,
    weights: Path | None = None,
    precision: str | None = None,
    minutes: float | None = None,
    cluster: str | None = None,
    verbose: int = 2,
) -> None:
    """Run what the ledger lacks of a plan, one run after another, and say what is left.

    Killed at any moment, it goes on where it was. Several processes may work off one plan.

    Parameters
    ----------
    plan : list of Planned
        As :func:`read_plan` returns it.
    data : callable
        Returns the data with all images for training if it is given True, else those with
        some set aside to validate.
    test, results, state, weights, precision, verbose
        As for ``run.run_seed``.
    minutes : float, optional
        Begin no run that would not end within so many.
    cluster : str, optional
        Address of a Ray cluster, whose machines then do the runs, several at a time; states
        are kept in its workers' memory alone.
    """
    wanted = {p: identity(p.recipe, data(p.all_images), test, p.seed, p.epochs) for p in plan}
    begin, here = time.monotonic(), machine_key(usable_hardware())
    if cluster:
        from cifar_utils.experiments.cluster import run_all

        runs = missing(wanted, read_records(results, kind="train"))
        print(_left(runs, wanted, None), flush=True)
        jobs = [(wanted[run], data(run.all_images)) for run in runs]
        for record in run_all(cluster, jobs, test, precision):
            # Another process may have been quicker.
            if not read_records(results, **{key: record[key] for key in IDENTITY}):
                tell(record, write_record(record, results))
    while True:
        records = read_records(results, kind="train")
        runs = missing(wanted, records)
        print(_left(runs, wanted, seconds_left(runs, records, here)), flush=True)
        if not runs:
            return
        for run in runs:
            if minutes is not None:
                ends = time.monotonic() - begin + (seconds_left([run], records, here) or 0)
                if ends > 60 * minutes:
                    print(f"None of them ends within {minutes:g} minutes.")
                    return
            # What another process is at is left to it; only where nothing else is left, wait.
            if run_seed(
                run.recipe, data(run.all_images), test, run.seed, epochs=run.epochs,
                precision=precision, results=results, state=state, weights=weights,
                verbose=verbose, wait=run is runs[-1],
            ):  # fmt: skip
                break


def missing(wanted: Mapping[Planned, dict], records: list[dict]) -> list[Planned]:
    """The runs that these records are not of, wherever those were run, by their identities."""
    return [
        planned
        for planned, fields in wanted.items()
        if not any(is_of(record, fields) for record in records)
    ]


def seconds_left(runs: Iterable[Planned], records: list[dict], here: Hashable) -> float | None:
    """How long runs take at the speed that the records of this machine tell of.

    At that of the same recipe where there is one, or else of the median run; None without any.
    """
    paces = {}
    for record in records:
        if record.get("operations") and machine_key(record["hardware"]) == here:
            pace = record["operations"] / record["train_seconds"]
            paces.setdefault(record["recipe"], []).append(pace)
    if not paces:
        return None
    usual = np.median([pace for found in paces.values() for pace in found])
    return sum(run.cost / np.median(paces.get(run.recipe, usual)) for run in runs)


def _left(runs: list[Planned], plan: Collection[Planned], seconds: float | None) -> str:
    if not runs:
        return f"Nothing is missing: the ledger holds all {len(plan)} runs of the plan."
    cost = sum(run.cost for run in runs) / 1e15
    told = f"{len(runs)} of {len(plan)} runs are missing, {cost:,.2f} PFLOP"
    if seconds is None:
        return f"{told}."
    hours = (
        f"{seconds / 3600:,.1f} hours" if seconds > 5400 else f"{max(1, seconds / 60):,.0f} minutes"
    )
    return f"{told}: about {hours} at this machine's speed."
