"""What the files of this package's own cache were when they were unpacked.

A list beside the files holds their SHA-256, their size and time of change, and where in
them pixels and labels are. It makes reading quick (unchanged files are not hashed again)
and repair possible (changed ones are noticed). It starts with a SHA-256 of itself, so
that a damaged one is noticed, too.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from cifar_utils.dataset.storage import BATCHES, missing, sha256_of

LIST = ".cifar_utils"  # a SHA-256, and the JSON that it is of


def is_sound(folder: Path) -> bool:
    """Whether a folder of ours has all files, each as it was when it was unpacked.

    Files that somebody else put there are left for the reader to judge.
    """
    if missing(folder):
        return False
    kept = read_list(folder)
    if kept is None:  # not filled by us: read like a named folder. Or a list that is broken
        return not (folder / LIST).exists()
    if file_states(folder) == kept["states"]:
        return True
    if any(changed_files(folder, kept)):
        return False
    with suppress(OSError):  # copied, or touched; in a read-only cache, hash next time too
        write_list(folder, kept | {"states": file_states(folder)})
    return True


def changed_files(folder: Path, kept: dict) -> Iterator[str]:
    """Names of the files whose SHA-256 is not the one in the list, each hashed when asked for."""
    return (name for name in BATCHES if sha256_of(folder / name) != kept["files"][name])


def file_states(folder: Path) -> dict[str, list[int]]:
    """Size in bytes and time of change in nanoseconds of each file that is there."""
    found = {}
    for name in BATCHES:
        with suppress(OSError):
            state = (folder / name).stat()
            found[name] = [state.st_size, state.st_mtime_ns]
    return found


def read_list(folder: Path) -> dict | None:
    """The list as it was written; None if it is not there, or not as it was."""
    try:
        digest, content = (folder / LIST).read_text(encoding="utf-8").split("\n", 1)
    except (OSError, ValueError):
        return None
    return json.loads(content) if digest == _digest(content) else None


def write_list(folder: Path, content: dict) -> None:
    """Put a list in place of the one before, in one step."""
    text = json.dumps(content, indent=1)
    half_written = folder / f"{LIST}.{os.getpid()}"
    with half_written.open("w", encoding="utf-8") as file:
        file.write(f"{_digest(text)}\n{text}")
        file.flush()
        os.fsync(file.fileno())
    half_written.replace(folder / LIST)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
