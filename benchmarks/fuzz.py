"""Mutated files of every readable kind: nothing may crash, hang, swell or be refused unnamed.

    python -m benchmarks.fuzz [--files 2000] [--seed 0]

The seeds are made by benchmarks/samples.py: small sound files of each kind. A mutation flips,
cuts, repeats, moves or inserts bytes, or writes a number's limits; in a zip-based file (office,
book) half of the mutations go inside a member, where no checksum guards them. Every file is read
as `isoflop index` reads it, and what comes out is cut into passages.
"""

import argparse
import io
import json
import random
import re
import resource
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.samples import seeds, zipped
from isoflop.search.chunk import passages
from isoflop.search.read import Refusal
from isoflop.search.sandbox import Reading
from isoflop.search.walk import Found

SECONDS_ALLOWED = 10.0
BYTES_ALLOWED = 1 << 30
LIMITS = (b"0", b"-1", b"65536", b"2147483647", b"4294967296", b"99999999999999999999", b"1e999")
ZIPPED = (".docx", ".pptx", ".xlsx", ".epub", ".zip")


def words(text: str) -> list[tuple[int, int]]:
    """Offsets of words and marks: a tokenizer that needs no weights."""
    return [match.span() for match in re.finditer(r"\w+|[^\w\s]", text)]


def mutated(name: str, data: bytes, chance: random.Random) -> bytes:
    """A damaged copy; inside a member, half of the time, if the file is a zip archive."""
    if not name.endswith(ZIPPED) or chance.random() < 0.5:
        return _damaged(data, chance)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members: dict[str, str | bytes] = {info: archive.read(info) for info in archive.namelist()}
    victim = chance.choice(sorted(members))
    members[victim] = _damaged(bytes(members[victim]), chance)  # type: ignore[arg-type]  # bytes were read
    return zipped(members)


def _damaged(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        place = chance.randrange(len(changed) + 1)
        length = chance.choice((1, 2, 8, 64, 512))
        DAMAGES[chance.randrange(len(DAMAGES))](changed, place, length, chance)
    return bytes(changed)


def _flip(data: bytearray, place: int, length: int, chance: random.Random) -> None:
    for position in range(place, min(place + length // 8 + 1, len(data))):
        data[position] ^= 1 << chance.randrange(8)


def _insert(data: bytearray, place: int, length: int, chance: random.Random) -> None:
    data[place:place] = chance.randbytes(length)


def _remove(data: bytearray, place: int, length: int, chance: random.Random) -> None:
    del data[place : place + length]


def _cut(data: bytearray, place: int, length: int, chance: random.Random) -> None:
    del data[place:]


def _zero(data: bytearray, place: int, length: int, chance: random.Random) -> None:
    data[place : place + length] = bytes(min(length, max(0, len(data) - place)))


def _repeat(data: bytearray, place: int, length: int, chance: random.Random) -> None:
    data[place:place] = bytes(data[place : place + length]) * chance.choice((1, 3, 200))


def _move(data: bytearray, place: int, length: int, chance: random.Random) -> None:
    block = bytes(data[place : place + length])
    del data[place : place + length]
    where = chance.randrange(len(data) + 1)
    data[where:where] = block


def _number(data: bytearray, place: int, length: int, chance: random.Random) -> None:
    numbers = list(re.finditer(rb"\d+", bytes(data)))
    if numbers:
        match = chance.choice(numbers)
        data[match.start() : match.end()] = chance.choice(LIMITS)


DAMAGES: tuple[Callable[[bytearray, int, int, random.Random], None], ...] = (
    _flip, _insert, _remove, _cut, _zero, _repeat, _move, _number,
)  # fmt: skip


def run(files: int, seed: int) -> dict[str, Any]:
    """Read that many mutated files, and count what became of them.

    Returns:
        Counts by kind, the longest time and the largest memory of one file, and every
        exception, time or size over what is allowed.
    """
    chance = random.Random(seed)
    made = seeds()
    names = sorted(made)
    outcome: Counter[str] = Counter()
    kinds: dict[str, Counter[str]] = {}
    reasons: Counter[str] = Counter()
    faults: list[str] = []
    slowest, largest = 0.0, 0
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, Reading() as reading:
        for number in range(files):
            name = names[number % len(names)]
            path = Path(folder) / f"{number}-{name}"
            data = mutated(name, made[name], chance)
            path.write_bytes(data)
            started = time.monotonic()
            found = Found(path.name, str(path), len(data), 0)
            result, fault = _read(reading, found)
            seconds = time.monotonic() - started
            slowest, largest = max(slowest, seconds), max(largest, _worker_bytes(reading))
            if fault or seconds > SECONDS_ALLOWED:
                faults.append(f"{path.name} (seed {seed}): {fault or f'{seconds:.1f} s'}")
            counts = kinds.setdefault(name.partition(".")[2], Counter())
            for outcome_counts in (outcome, counts):
                outcome_counts[result] += 1
            if result != "read":
                reasons[result] += 1
            path.unlink()
    return {
        "files": files,
        "seed": seed,
        "faults": faults,
        "outcomes": dict(outcome),
        "by_kind": {kind: dict(counts) for kind, counts in sorted(kinds.items())},
        "slowest_seconds": round(slowest, 3),
        "largest_worker_bytes": largest,
        "largest_own_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "seconds": round(time.monotonic() - began, 1),
    }


def _read(reading: Reading, found: Found) -> tuple[str, str]:
    """What became of a file in a word, and what was wrong with that, if anything."""
    try:
        results = reading.read(found)
        for document in results:
            if not isinstance(document, Refusal):
                cut = passages(document, words)
                if "".join(passage.text for passage in cut) != document.text * bool(cut):
                    return "read", "passages do not tile the document"
    except Exception as error:  # noqa: BLE001 - any exception is what this program looks for
        return "raised", f"{type(error).__name__}: {error}"
    refusals = [result for result in results if isinstance(result, Refusal)]
    if any(not refusal.id or len(refusal.reason) < 12 for refusal in refusals):
        return "refused", "a refusal without a reason"
    if any("crashed its reader" in refusal.reason for refusal in refusals):
        return "reader stopped", ""
    if not results:
        return "nothing inside", ""
    return ("refused" if len(refusals) == len(results) else "read"), ""


def _worker_bytes(reading: Reading) -> int:
    """The most memory the worker ever held, as the kernel counted it."""
    if reading.worker is None:
        return 0
    try:
        status = Path(f"/proc/{reading.worker.process.pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0
    match = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(match[1]) * 1024 if match else 0


def main() -> None:
    """Run, print, store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    result = run(arguments.files, arguments.seed)
    print(json.dumps(result, indent=1))
    if arguments.files >= 2000:
        print(machine.save("fuzz", result))
    if result["faults"] or result["largest_worker_bytes"] > BYTES_ALLOWED:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
