"""Speed, side by side: this package's training, augmentation and loading against others'.

Every contestant runs in a process of its own, several times, and they take turns, so
that a machine that is busy for a while is busy for all. What counts is the ratio to
ours within a round, with its spread over the rounds.
"""

import importlib.util
import json
import os
import subprocess
import sys

from cifar_utils.contestants import CONTESTANTS, UNITS, Contestant


def run(images: int, rounds: int, only: str | None = None) -> dict:
    """Let all contestants take turns.

    Parameters
    ----------
    images : int
        How many images an epoch has.
    rounds : int
    only : str, optional
        One group alone: one of :func:`group_names`.

    Returns
    -------
    dict
        ``{group: {label: [one figure a round]}}``, in images a second unless ``UNITS``
        says otherwise; an empty list for a contestant that can't run here.
    """
    chosen = [c for c in CONTESTANTS if only in (None, c.group)]
    results = {c.group: {} for c in chosen}
    for c in chosen:
        results[c.group][c.label] = []
    for round_ in range(1, rounds + 1):
        for number, c in enumerate(CONTESTANTS):
            if c not in chosen:
                continue
            figure = _in_a_process(number, c, images)
            if figure is not None:
                results[c.group][c.label].append(figure)
                unit = UNITS.get(c.group, "images/s")
                print(f"round {round_}: {c.label}: {figure:,.0f} {unit}", flush=True)
            elif round_ == 1:
                print(f"left out: {c.label}, which can't run here", flush=True)
    return results


def group_names() -> list[str]:
    """The groups of contestants, in their order."""
    return list(dict.fromkeys(c.group for c in CONTESTANTS))


def _in_a_process(number: int, contestant: Contestant, images: int) -> float | None:
    if contestant.needs and importlib.util.find_spec(contestant.needs) is None:
        return None
    without_onednn = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    done = subprocess.run(
        [sys.executable, "-m", "cifar_utils.contestants", str(number), str(images)],
        env=without_onednn | {"TF_CPP_MIN_LOG_LEVEL": "3"} | contestant.environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        print(done.stderr.strip().rpartition("\n")[2], file=sys.stderr)
        return None
    return json.loads(done.stdout.rpartition("\n")[2])
