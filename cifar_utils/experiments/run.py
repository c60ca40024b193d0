"""One measured run: train by a recipe, evaluate on the test set, write the record."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
from filelock import FileLock, Timeout
from sklearn.metrics import confusion_matrix, log_loss

from cifar_utils.checks import check_count, check_labelled, check_seed, expected
from cifar_utils.data import (
    IMAGE_SHAPE,
    NUM_CLASSES,
    ImageData,
    channel_statistics,
    fingerprint,
)
from cifar_utils.evaluation import (
    confidence_threshold,
    expected_calibration_error,
    fit_temperature,
    predict_probabilities,
)
from cifar_utils.experiments.ledger import checksum, read_records, revision, write_record
from cifar_utils.fast.machine import best_precision, usable_hardware, versions
from cifar_utils.pretrained import write_network
from cifar_utils.recipes import RECIPES
from cifar_utils.training import Run, train

# The fields that say which run a record is of, wherever it was run.
IDENTITY = ("kind", "recipe", "seed", "epochs", "data", "settings", "test_images")


def run_seed(
    name: str,
    data: ImageData,
    test: tuple[np.ndarray, np.ndarray],
    seed: int,
    *,
    epochs: int | None = None,
    precision: str | None = None,
    results: Path,
    state: Path,
    weights: Path | None = None,
    verbose: int = 2,
    wait: bool = True,
) -> dict | None:
    """Train one seed of a recipe and add its record to the ledger.

    A seed that the ledger has already, of the same recipe, epochs and images, is not run
    again, on whatever machine it was run. An unfinished one goes on from its last epoch. Of
    two processes that run the same seed, one waits for the other's record.

    Parameters
    ----------
    name : str
        A recipe of ``RECIPES``.
    data : ImageData
    test : (images, labels)
        As ``load_cifar10_test`` returns them.
    seed : int
    epochs, precision, verbose
        As for ``training.train``.
    results, state : Path
        Folders of the ledger and of the states of unfinished runs.
    weights : Path, optional
        A folder to keep the trained network in, under the name of its record.
    wait : bool
        Whether to wait for another process that runs the same seed.

    Returns
    -------
    dict or None
        The record; None if another process is at it, and nobody waits.

    Raises
    ------
    ValueError
        If there is no such recipe, the test set is not uint8 images and as many labels, or
        as ``training.train``.
    """
    wanted = identity(name, data, test, seed, epochs)
    precision = precision or best_precision()
    # A run that goes on elsewhere would have seconds of two machines.
    parts = name, wanted["epochs"], len(data.x_train), precision, f"seed{seed}"
    run_name = "-".join(map(str, (*parts, checksum(usable_hardware())[:8])))
    for folder, what in ((results, "results"), (state, "state")):
        _check_writable(Path(folder), what)
    file = Path(state) / f"{run_name}.npz"
    with _locked(file.with_suffix(".lock"), wait) as ours:
        if not ours:
            return None
        if known := read_records(results, **wanted):
            print(f"{name}, seed {seed}: in the ledger already.")
            return known[0]
        print(f"{name}, seed {seed}: {wanted['epochs']} epochs, {precision}.", flush=True)
        record, run = measure(wanted, data, test, precision, resume=file, verbose=verbose)
        path = write_record(record, results)
        if weights:
            keep_network(run, data, record, Path(weights) / path.stem)
        file.unlink(missing_ok=True)
    tell(record, path)
    return record


def identity(
    name: str,
    data: ImageData,
    test: tuple[np.ndarray, np.ndarray],
    seed: int,
    epochs: int | None = None,
) -> dict:
    """The fields ``IDENTITY`` of the record of a run.

    Raises
    ------
    ValueError
        As :func:`run_seed`.
    """
    recipe, seed = RECIPES[name], check_seed(seed)
    check_labelled(*test, NUM_CLASSES, IMAGE_SHAPE)
    about_data = {
        "name": data.name,
        "fingerprint": data.fingerprint,
        "train_images": len(data.x_train),
        "train_fingerprint": fingerprint(data.x_train, data.y_train),
    }
    epochs = recipe.epochs if epochs is None else check_count("epochs", epochs)
    return {
        "kind": "train", "recipe": name, "seed": seed, "epochs": epochs, "data": about_data,
        "settings": recipe.settings(), "test_images": len(test[0]),
    }  # fmt: skip


def measure(
    wanted: dict,
    data: ImageData,
    test: tuple[np.ndarray, np.ndarray],
    precision: str | None = None,
    *,
    resume: Path | None = None,
    verbose: int = 2,
) -> tuple[dict, Run]:
    """Train and evaluate the run of this :func:`identity`; return its record, and it."""
    made_with = versions() | {"cifar_utils": revision()}
    precision = precision or best_precision()
    recipe, seed, epochs = RECIPES[wanted["recipe"]], wanted["seed"], wanted["epochs"]
    run = train(
        recipe, data, seed, epochs=epochs, precision=precision, resume=resume, verbose=verbose
    )
    where = {"hardware": usable_hardware(), "backend": keras.backend.backend()}
    made = {"precision": precision, "versions": made_with}
    return wanted | _outcome(run, data, test) | where | made, run


def keep_network(run: Run, data: ImageData, record: dict, file: Path) -> None:
    """Write a trained network to ``file``.npz, and to .json what ``pretrained.Trained`` says."""
    options, temperature = {**run.recipe.model_options}, record.get("temperature", 1.0)
    threshold = 0.0
    with contextlib.suppress(ValueError):  # no images to validate, or too poor a network
        sure = predict_probabilities(run.model, data.x_val, views=6, temperature=temperature)
        threshold = confidence_threshold(data.y_val, sure)
    if run.recipe.normalization == "zscore":
        options["statistics"] = channel_statistics(data.x_train)
    about = {
        "network": run.recipe.model,
        "options": options,
        "recipe": run.recipe.name,
        "record": file.name,
        "test_accuracy": record["test_accuracy"],
        "temperature": temperature,
        "sha256": write_network(run.model, file.with_suffix(".npz")),
        "threshold": threshold,
    }
    text = json.dumps(about, indent=1, default=lambda array: np.asarray(array).tolist())
    file.with_suffix(".json").write_text(f"{text}\n", encoding="utf-8")


def tell(record: dict, path: Path) -> None:
    """Print what came of a run."""
    print(
        f"{record['test_accuracy']:.2%} of the test images, {record['operations'] / 1e15:.3f} "
        f"PFLOP in {record['train_seconds']:.0f} s of training: {path.name}",
        flush=True,
    )


def _check_writable(folder: Path, what: str) -> None:
    """ValueError unless files can be written to a folder, which is made if it isn't there."""
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise expected(f"{what} as a folder that can be written to", folder)


@contextlib.contextmanager
def _locked(file: Path, wait: bool) -> Iterator[bool]:
    """Hold a lock, and remove its file: those who wait for it find the record.

    Yields whether it could be had, which is certain for those who wait.
    """
    try:
        held = FileLock(file).acquire(timeout=-1 if wait else 0)
    except Timeout:
        yield False
        return
    with held:
        yield True
        with contextlib.suppress(OSError):  # Windows removes no open file
            file.unlink()


def _outcome(run: Run, data: ImageData, test: tuple[np.ndarray, np.ndarray]) -> dict:
    (x_test, y_test), classes = test, range(NUM_CLASSES)
    finite = all(np.isfinite(weight).all() for weight in run.model.get_weights())

    def probabilities(images, **options):
        if finite:
            return predict_probabilities(run.model, images, **options)
        # The training has diverged: the network knows nothing.
        return np.full((len(images), NUM_CLASSES), 1 / NUM_CLASSES)

    def judged(probabilities, suffix=""):
        nll = float(log_loss(y_test, probabilities, labels=classes))
        ece = expected_calibration_error(y_test, probabilities)
        return {f"test_nll{suffix}": nll, f"test_ece{suffix}": ece}

    one_view = probabilities(x_test)
    y_pred = one_view.argmax(axis=1)
    correct = {
        f"test_accuracy{suffix}": float(np.mean(found.argmax(axis=1) == y_test))
        for suffix, found in (
            ("", one_view),
            ("_views6", probabilities(x_test, views=6)),
            ("_views6_quarter", probabilities(x_test, views=6, share=0.25)),
        )
    }
    certain = judged(one_view) if finite else {"test_nll": None, "test_ece": None}
    validated = run.history.get("val_accuracy")
    if validated and finite:
        temperature = fit_temperature(data.y_val, probabilities(data.x_val))
        scaled = judged(probabilities(x_test, temperature=temperature), "_scaled")
        certain |= {"temperature": temperature} | scaled
    trainable = sum(int(np.prod(w.shape)) for w in run.model.trainable_weights)
    total = run.model.count_params()
    about = {
        "model": run.recipe.model,
        "params": {"total": total, "trainable": trainable, "frozen": total - trainable},
        "val_accuracy": validated[-1] if validated else None,
        "confusion_matrix": confusion_matrix(y_test, y_pred, labels=classes).tolist(),
        "operations": run.operations,
        "train_seconds": run.seconds,
        "images_per_second": run.images_per_second,
        "history": run.history,
    }
    return about | correct | certain
