"""Judge one trained network on the test images, beyond its accuracy, and write the record."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from scipy import stats

from cifar_utils.checks import check_labelled, expected
from cifar_utils.data import (
    IMAGE_SHAPE,
    NUM_CLASSES,
    SYNTHETIC,
    default_source,
    fingerprint,
    load_cifar10h,
    load_flaws,
)
from cifar_utils.dataset.files import FINGERPRINTS, OFFICIAL
from cifar_utils.evaluation import (
    CORRUPTIONS,
    accuracy_interval,
    brier_score,
    corrupt,
    expected_calibration_error,
    human_agreement,
    negative_log_likelihood,
    predict_probabilities,
)
from cifar_utils.experiments.ledger import read_records, revision, write_record
from cifar_utils.fast.machine import usable_hardware, versions
from cifar_utils.pretrained import FOLDER, TRAINED, Trained, read_network

CONFIDENCE, RESAMPLES = 0.95, 1_000


def find_network(network: str) -> tuple[Trained, Path]:
    """What is known of a network, and its file of weights.

    Parameters
    ----------
    network : str
        A name of ``pretrained.TRAINED``, or the path of a .json file that ``run --weights``
        wrote; its .npz file lies beside it.

    Raises
    ------
    ValueError
        If there is no such network, or the file is not of that form.
    """
    file = Path(network)
    if file.suffix != ".json":
        return TRAINED[network], FOLDER / f"{network}.npz"
    try:
        about = Trained(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise expected(f"{file} as run --weights writes it", error) from None
    return about, file.with_suffix(".npz")


def judge(network: str, test: tuple[np.ndarray, np.ndarray], *, results: Path) -> dict:
    """Judge a network, one view of each image, and add the record to the ledger.

    A network that was judged on the same images before is not judged again.

    Parameters
    ----------
    network : str
        As for :func:`find_network`.
    test : (images, labels)
        As ``load_cifar10_test`` returns them. What people and raters say is known of all 10,000
        official images alone: of others, these figures are left out.
    results : Path
        Folder of the ledger.

    Returns
    -------
    dict
        The record. Its ``figures`` are dicts of ``value``, ``low``, ``high`` and ``images``, how
        many it is of: shares of images with Wilson intervals, all others with basic bootstrap
        intervals over images. ``corrupted`` has five accuracies a kind of corruption.

    Raises
    ------
    ValueError
        If there is no such network, its weights are not as they were written, or the test set
        is not uint8 images and as many labels.
    """
    about, weights = find_network(network)
    x_test, y_test = check_labelled(*test, NUM_CLASSES, IMAGE_SHAPE)
    digest = fingerprint(x_test, y_test)
    official = digest == FINGERPRINTS["test"]
    other = SYNTHETIC if default_source() == "synthetic" else "other images"
    wanted = {
        "kind": "judge",
        "weights": about.sha256,
        "data": {"name": OFFICIAL if official else other, "fingerprint": digest},
    }
    if known := read_records(results, **wanted):
        print(f"{network}: in the ledger already.")
        return known[0]
    print(f"{network}: {len(y_test):,} test images, {len(CORRUPTIONS)} corruptions.", flush=True)
    made_with = versions() | {"cifar_utils": revision()}
    votes = load_cifar10h() if official else None  # before the work: they may have to be fetched
    model = read_network(about, weights)
    before = predict_probabilities(model, x_test)
    after = predict_probabilities(model, x_test, temperature=about.temperature)
    spoilt = {kind: _withstood(model, x_test, y_test, kind) for kind in CORRUPTIONS}
    withstood = np.mean([*spoilt.values()], axis=(0, 1))  # in how many versions, by image
    seed = re.search(r"-seed(\d+)-", about.record)
    record = wanted | {
        "recipe": about.recipe,
        "network": about.network,
        "record": about.record,
        **({"seed": int(seed[1])} if seed else {}),
        "temperature": about.temperature,
        "test_images": len(y_test),
        "figures": _figures(y_test, before, after, withstood, votes),
        "corrupted": {kind: right.mean(axis=1).tolist() for kind, right in spoilt.items()},
        "confidence": CONFIDENCE,
        "resamples": RESAMPLES,
        "hardware": usable_hardware(),
        "versions": made_with,
    }
    print(f"wrote {write_record(record, results).name}", flush=True)
    return record


def _withstood(model: keras.Model, images: np.ndarray, labels: np.ndarray, kind: str) -> np.ndarray:
    """Which images a network gets right at each severity of a corruption, shape (5, n)."""
    spoilt = (corrupt(images, kind, severity) for severity in range(1, 6))
    return np.array([predict_probabilities(model, x).argmax(axis=1) == labels for x in spoilt])


def _figures(
    y_true: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    withstood: np.ndarray,
    votes: np.ndarray | None,
) -> dict[str, dict]:
    """All figures, of probabilities before and after the temperature."""
    right = before.argmax(axis=1) == y_true
    shares = {"accuracy": right}
    measured = {"corrupted_accuracy": (np.mean, withstood)}
    for suffix, probabilities in (("", before), ("_scaled", after)):
        measured |= {
            f"calibration_error{suffix}": (expected_calibration_error, y_true, probabilities),
            f"nll{suffix}": (negative_log_likelihood, y_true, probabilities),
            f"brier{suffix}": (brier_score, y_true, probabilities),
        }
    if votes is not None:
        duplicates, rejected = (rows[:, 0] for rows in load_flaws())
        shares |= {
            "accuracy_without_duplicates": np.delete(right, duplicates),
            "accuracy_without_rejected": np.delete(right, rejected),
            "accuracy_without_both": np.delete(right, [*duplicates, *rejected]),
            "human_agreement": votes[np.arange(len(votes)), after.argmax(axis=1)] == votes.max(1),
        }
        measured |= {
            "human_cross_entropy": (lambda *of: human_agreement(*of).cross_entropy, votes, after),
            "human_kl_divergence": (lambda *of: human_agreement(*of).kl_divergence, votes, after),
        }
    return {name: _share(holds) for name, holds in shares.items()} | {
        name: _measured(*of) for name, of in measured.items()
    }


def _share(holds: np.ndarray) -> dict:
    """For which share of images something holds, with its Wilson interval."""
    found = accuracy_interval(np.ones(len(holds), int), holds.astype(int), CONFIDENCE)
    return {"value": found.accuracy, "low": found.low, "high": found.high, "images": len(holds)}


def _measured(measure: Callable[..., float], *of: np.ndarray) -> dict:
    """What is measured of arrays with a row an image, with its interval by the basic bootstrap.

    Chance alone lifts a calibration error, and lifts that of a resample once more. The basic
    interval takes this off again, where the percentiles of the resamples would add it.
    """

    def on(rows):
        return float(measure(*(array[rows] for array in of)))

    images = np.arange(len(of[0]))
    low, high = stats.bootstrap(
        (images,), on, n_resamples=RESAMPLES, batch=10, vectorized=False,
        confidence_level=CONFIDENCE, method="basic", random_state=0,
    ).confidence_interval  # fmt: skip
    return {"value": on(images), "low": max(0.0, low), "high": high, "images": len(images)}
