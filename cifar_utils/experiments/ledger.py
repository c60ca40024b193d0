"""The ledger: one JSON file per measured run, behind every number of the series.

A record says what was run, on what, and what came out. It carries a checksum, so that
a file that was cut short or edited by hand is noticed when it is read.
"""

import datetime
import hashlib
import json
import os
from pathlib import Path

from cifar_utils import __version__
from cifar_utils.fast.machine import output_of

FIELDS = {
    "train": (
        "kind", "recipe", "model", "params", "data", "seed", "epochs", "val_accuracy",
        "test_accuracy", "test_accuracy_views6", "test_nll", "test_ece", "test_images",
        "confusion_matrix", "operations", "train_seconds", "images_per_second", "history",
        "settings", "hardware", "precision", "backend", "versions", "date",
    ),
    "judge": (
        "kind", "recipe", "network", "record", "weights", "temperature", "data", "test_images",
        "figures", "corrupted", "confidence", "resamples", "hardware", "versions", "date",
    ),
    "bench": ("kind", "speeds", "data", "hardware", "backend", "versions", "date"),
}  # fmt: skip


CHECKOUT = Path(__file__).resolve().parents[2]


class LedgerError(ValueError):
    """A record that can't be trusted, by name, and what is wrong with it."""


def default_folder() -> Path:
    """Where the records lie: ``results/`` of the checkout, or of the present folder without one."""
    return (CHECKOUT if _is_checkout() else Path()) / "results"


def write_record(record: dict, folder: Path | None = None) -> Path:
    """Add a record to the ledger, after the run that it tells of.

    The file appears whole or not at all, under a name of its own.

    Parameters
    ----------
    record : dict
        What JSON can hold, with all of ``FIELDS[record["kind"]]`` but ``date``,
        which is added where it is missing.
    folder : path, optional
        Without, :func:`default_folder`.

    Returns
    -------
    Path

    Raises
    ------
    LedgerError
        If a field is missing.
    """
    record = {"date": datetime.datetime.now().isoformat(timespec="seconds")} | record
    record = json.loads(json.dumps(record))  # as it will be read: keys are strings there
    _check_fields(record, "the new record")
    record["checksum"] = checksum(record)
    folder = Path(folder or default_folder())
    folder.mkdir(parents=True, exist_ok=True)
    parts = [record["kind"], record.get("recipe")]
    if "seed" in record:
        parts.append(f"seed{record['seed']}")
    name = "-".join([*filter(None, parts), record["checksum"][:8]])
    half_written = folder / f".{name}.{os.getpid()}"
    half_written.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return half_written.replace(folder / f"{name}.json")


def read_records(folder: Path | None = None, **wanted) -> list[dict]:
    """Read the ledger.

    Parameters
    ----------
    folder : path, optional
        Without, :func:`default_folder`.
    **wanted
        Fields and the values that they must have, for example ``kind="train"``.

    Returns
    -------
    list of dict
        In the order of recipes and seeds.

    Raises
    ------
    LedgerError
        If a file is no record, lacks a field, or was changed after it was written.
    """
    records = []
    for path in sorted(Path(folder or default_folder()).glob("*.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            raise LedgerError(f"Expected {path.name} to be a record. Received: {error}") from None
        if not isinstance(record, dict):
            raise LedgerError(f"Expected {path.name} to be a record. Received: no object.")
        _check_fields(record, path.name)
        if record.get("checksum") != checksum(record):
            raise LedgerError(
                f"Expected {path.name} as it was written. Received: one whose checksum differs. "
                "Restore it from version control, or remove it and run the recipe again."
            )
        records.append(record)
    chosen = [record for record in records if is_of(record, wanted)]
    return sorted(chosen, key=lambda r: (r["kind"], r.get("recipe", ""), r.get("seed", 0)))


def is_of(record: dict, wanted: dict) -> bool:
    """Whether a record's fields have these values."""
    return all(record.get(field) == value for field, value in wanted.items())


def machine_key(hardware: dict) -> tuple:
    """What tells one record's machine from another's.

    Memory is not of it: it differs a little between machines of one kind.
    """
    units = tuple(hardware.get("vector_units", ()))
    return hardware["processor"], hardware["cores"], units, hardware["accelerator"]


def revision() -> str:
    """This package's version and, in a git checkout, the commit that it is at.

    >>> revision().startswith(__version__)
    True
    """
    describe = ("git", "-C", str(CHECKOUT), "describe", "--always", "--dirty")
    return f"{__version__} {output_of(*describe) if _is_checkout() else ''}".strip()


def _is_checkout() -> bool:
    return (CHECKOUT / "pyproject.toml").exists()


def _check_fields(record: dict, name: str) -> None:
    fields = FIELDS.get(record.get("kind"), ("kind",))
    missing = [field for field in fields if field not in record]
    if missing or record["kind"] not in FIELDS:
        raise LedgerError(
            f"Expected {name} to be of kind {' or '.join(FIELDS)} with all its fields. "
            f"Received: kind {record.get('kind')!r} without {', '.join(missing) or 'fields'}."
        )


def checksum(record: dict) -> str:
    """SHA-256 over all fields but itself."""
    kept = {key: value for key, value in record.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
