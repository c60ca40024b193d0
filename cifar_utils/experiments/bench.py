"""Speed, side by side: this package's training, augmentation and loading against others'.

Every contestant runs in a process of its own, several times, and they take turns, so
that a machine that is busy for a while is busy for all, every second round in reverse
order, so that none profits from its place. What counts is the ratio to ours within a
round, with its spread over the rounds.
"""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator

from cifar_utils.experiments.peers import BATCH, CONTESTANTS, Contestant

# All on the processor, which is what the contestants have in common.
ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "",
    "KERAS_BACKEND": "tensorflow",
}
LIMIT = 3_600  # seconds for one contestant in one round


def run(images: int, rounds: int, only: str | None = None) -> Iterator[dict]:
    """Let all contestants take turns.

    Parameters
    ----------
    images : int
        How many images an epoch has.
    rounds : int
    only : str, optional
        One group alone: one of :func:`group_names`.

    Yields
    ------
    dict
        After each round, what there is so far: ``{group: {label: [one figure per round]}}``,
        in images per second; None for a round in which a
        contestant failed, and an empty list for one that can't run here.

    Raises
    ------
    ValueError
        If there is no round, or fewer images than two batches.
    """
    if rounds < 1 or images < 2 * BATCH:
        raise ValueError(
            f"Expected at least one round, and {2 * BATCH} images. "
            f"Received: {rounds} rounds, {images} images."
        )
    chosen = [c for c in CONTESTANTS if only in (None, c.group)]
    results = {c.group: {} for c in chosen}
    for c in chosen:
        results[c.group][c.label] = []
    absent = [c for c in chosen if c.needs and importlib.util.find_spec(c.needs) is None]
    for round_ in range(1, rounds + 1):
        for number, c in list(enumerate(CONTESTANTS))[:: 1 if round_ % 2 else -1]:
            if c not in chosen or c in absent:
                continue
            figure, failure = _in_a_process(number, c, images)
            if figure is None and not failure:
                absent.append(c)
                continue
            results[c.group][c.label].append(figure)
            told = failure or f"{figure:,.0f} images/s"
            print(f"round {round_}: {c.label}: {told}", flush=True)
        yield results
    for c in absent:
        print(f"left out: {c.label}, which can't run here", flush=True)


def group_names() -> list[str]:
    """The groups of contestants, in their order."""
    return list(dict.fromkeys(c.group for c in CONTESTANTS))


def _in_a_process(number: int, contestant: Contestant, images: int) -> tuple[float | None, str]:
    """The contestant's figure, if it has one, or the last line of its error."""
    without_onednn = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "cifar_utils.experiments.peers", str(number), str(images)],
            env=without_onednn | ENVIRONMENT | contestant.environment,
            capture_output=True,
            text=True,
            errors="replace",  # not all that libraries say is in the encoding of the system
            timeout=LIMIT,
        )
    except subprocess.TimeoutExpired:
        return None, f"failed: no figure after {LIMIT} seconds"
    if done.returncode:
        last_line = done.stderr.strip().rpartition("\n")[2]
        return None, f"failed: {last_line or done.returncode}"
    return json.loads(done.stdout.rpartition("\n")[2]), ""
