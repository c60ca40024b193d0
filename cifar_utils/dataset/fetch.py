"""Fetch one file over HTTP from the first of several sources that delivers it.

What was fetched is kept from one source to the next, and from one process to the next,
as long as the servers can continue a file. The hash decides what the file is, so any
mirror is as good as the original.
"""

import builtins
import errno
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import requests
import urllib3
from tqdm.auto import tqdm

from cifar_utils.dataset.storage import Remote, sha256_of

CHUNK = 1 << 16
HOPELESS = range(400, 500)  # answers that will be the same the next time, but for these:
TRY_AGAIN = {408, 425, 429}
NO_RANGES = {206, 400, 403, 416}  # answers to the wish for a part that may not mean the whole


@dataclass(frozen=True)
class Limits:
    """When a source is left for the next one.

    Attributes
    ----------
    connect, read : float
        Seconds to connect, and to wait for the next byte.
    rate, window : float
        Bytes a second that a source has to deliver, on average over so many seconds, as
        long as there are others that have not been tried.
    rounds : int
        How often all sources are tried in a row without a byte of progress.
    pause : float
        Seconds after the first such round; twice as many after each further one.
    """

    connect: float = 10
    read: float = 15
    rate: float = 300_000
    window: float = 15
    rounds: int = 4
    pause: float = 1


LIMITS = Limits()


class FetchError(Exception):
    """No source delivered the file; ``reasons`` says why, for each that was tried."""

    def __init__(self, reasons: dict[str, str]):
        super().__init__("\n".join(f"{source}: {why}" for source, why in reasons.items()))
        self.reasons = reasons


class _Left(Exception):
    """A source that has to be left for now."""


class _Slow(_Left):
    """A source that is slower than others may be."""


class _WrongFile(Exception):
    """A source that answers, but not with the file."""


def fetch(
    remote: Remote,
    path: Path,
    sources: Sequence[str] | None = None,
) -> None:
    """Fetch a file, unless it is there.

    Parameters
    ----------
    remote : storage.Remote
        What the file must be, and where it is to be had.
    path : Path
        Where to put it. It appears there whole; until then, ``path`` with ``.part`` added
        holds what has come.
    sources : sequence of str, optional
        URLs, tried in their order, instead of the remote's.

    Raises
    ------
    FetchError
        If no source delivered it. What came remains, for the next time.
    OSError
        If it could not be written. If the disk is full, what came is removed to make room.
    """
    if sha256_of(path) == remote.sha256:
        return
    part = path.with_name(path.name + ".part")
    reasons: dict[str, str] = {}
    left = list(dict.fromkeys(remote.sources if sources is None else sources))
    slow: set[str] = set()
    rounds = fruitless = 0
    longest = _length(part)
    while left and fruitless < LIMITS.rounds:
        if rounds:
            time.sleep(LIMITS.pause * 2 ** max(0, fruitless - 1))
        left.sort(key=lambda source: source in slow)  # which keeps the order otherwise
        for source in tuple(left):
            # A slow source is better than none, once the quick ones have failed.
            patient = len(left) == 1 or source in slow
            try:
                _complete(source, remote, part, patient)
            except _WrongFile as error:
                reasons[source] = str(error)
                left.remove(source)
            except _Left as error:
                reasons[source] = str(error)
                slow |= {source} if isinstance(error, _Slow) else set()
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                reasons[source] = _in_short(error)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    part.unlink(missing_ok=True)
                raise
            else:
                part.replace(path)
                return
        rounds += 1
        gained = _length(part) - longest
        fruitless = 0 if gained > remote.size / 1000 else fruitless + 1
        longest += max(0, gained)
    raise FetchError(reasons)


def _complete(source: str, remote: Remote, part: Path, patient: bool) -> None:
    """Bring the partial file to its end, and check it."""
    others = part.exists()  # begun by another source, or in an earlier process
    _transfer(source, remote.size, part, patient)
    found = sha256_of(part) or ""
    if found == remote.sha256:
        return
    part.unlink()
    if others:  # perhaps only the beginning was bad
        _complete(source, remote, part, patient)
        return
    raise _WrongFile(f"a file with another SHA-256, {found[:9]}… instead of {remote.sha256[:9]}…")


def _transfer(source: str, size: int, part: Path, patient: bool) -> None:
    """Go on with the partial file, or begin anew where the server can't continue one."""
    begun = _length(part)
    if begun == size:
        return
    begun = begun if begun < size else 0
    with _get(source, begun) as answer:
        span = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
        if answer.status_code == 206 and span and int(span[1]) == begun > 0:
            _write(answer, size, part, begun, patient)
            return
        if not begun or answer.status_code not in NO_RANGES:
            _begin_anew(answer, size, part, begun, patient)
            return
    with _get(source) as answer:
        _begin_anew(answer, size, part, begun, patient)


def _begin_anew(answer: requests.Response, size: int, part: Path, kept: int, patient: bool) -> None:
    """Write a file from its start; what there is of it stays until there is more."""
    fresh = part.with_name(part.name + ".new") if kept else part
    try:
        _write(answer, size, fresh, 0, patient)
    finally:
        if kept and _length(fresh) > kept:
            fresh.replace(part)
        elif kept:
            fresh.unlink(missing_ok=True)


def _get(source: str, begun: int = 0) -> requests.Response:
    """Ask for a file from a byte on."""
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={begun}-"} if begun else {})
    timeout = (LIMITS.connect, LIMITS.read)
    try:
        return requests.get(source, headers=headers, stream=True, timeout=timeout)
    except requests.RequestException:
        raise
    except (OSError, ValueError) as error:  # no certificates, or a redirect to nowhere
        raise _WrongFile(f"{type(error).__name__}: {error}") from None


def _write(answer: requests.Response, size: int, path: Path, begun: int, patient: bool) -> None:
    """Append an answer to a file that has `begun` bytes of `size`, while it is quick enough."""
    status = f"HTTP {answer.status_code} {answer.reason}"
    if answer.status_code not in (200, 206):
        final = answer.status_code in HOPELESS and answer.status_code not in TRY_AGAIN
        raise (_WrongFile if final else _Left)(status)
    if "html" in answer.headers.get("Content-Type", ""):
        raise _WrongFile("a web page instead of the file")
    length = answer.headers.get("Content-Length", "")
    if length.isdecimal() and begun + int(length) != size:
        raise _WrongFile(f"a file of {begun + int(length):,} bytes instead of {size:,}")
    with path.open("ab" if begun else "wb") as file, _progress(size, begun) as bar:
        done, since, before = begun, time.monotonic(), begun
        while chunk := answer.raw.read1(CHUNK):
            done += len(chunk)
            if done > size:
                break
            file.write(chunk)
            bar.update(len(chunk))
            seconds = time.monotonic() - since
            if seconds >= LIMITS.window:
                rate = (done - before) / seconds
                if rate < LIMITS.rate and not patient and done < size:
                    raise _Slow(f"only {rate / 1000:.0f} kB/s")
                since, before = time.monotonic(), done
    if done > size:
        path.unlink()
        raise _WrongFile(f"a file of more than {size:,} bytes")
    if done < size:
        raise _Left(f"the connection ended after {done:,} of {size:,} bytes")


def _length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _progress(size: int, begun: int) -> tqdm:
    """A bar with rate and remaining time, in a terminal or a notebook only."""
    shown = sys.stderr.isatty() or hasattr(builtins, "__IPYTHON__")
    return tqdm(total=size, initial=begun, unit="B", unit_scale=True, disable=not shown)


def _in_short(error: Exception) -> str:
    """The innermost cause of a chain of network errors, with its type."""
    reason = error
    while True:
        inner = getattr(reason, "reason", None) or next(
            (a for a in getattr(reason, "args", ()) if isinstance(a, Exception)), None
        )
        if not isinstance(inner, Exception):
            break
        reason = inner
    text = re.sub(r"^.*?object at 0x\w+>: ", "", str(reason))
    return f"{type(reason).__name__}: {text}"
