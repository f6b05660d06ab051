"""A process that appends until it is killed, and says on its standard output what was acknowledged.

    python -m tests.integration.log.appender FILE NAME SEED

Each line is `<sequence> <stream> <version> <text>`, written after the append has returned.
"""

from __future__ import annotations

import random
import sys
from itertools import count
from pathlib import Path

from reconciler.errors import Conflict, LeaseHeld, LeaseLost
from reconciler.projections.store import open_store
from tests.support.events import ADA, note

SHARED = "shared"


def main(path: Path, name: str, seed: int) -> None:
    chance = random.Random(seed)
    with open_store(path) as store:
        for number in count():
            text = f"{name}-{number}"
            stream = chance.choice([SHARED, name])
            try:
                match chance.randrange(4):
                    case 0:
                        events = store.append(
                            [note(f"{text}-{n}", stream) for n in range(chance.randrange(1, 40))], ADA
                        )
                    case 1:
                        version = store.stream_version("squawk", stream)
                        events = store.append([note(text, stream)], ADA, expected_version=version)
                    case 2:
                        with store.lease("append", wait_ms=chance.choice([0, 50]), ttl_ms=500) as lease:
                            events = store.append([note(text, stream)], ADA, lease=lease)
                    case _:
                        events = store.append([note(text, stream), note(f"{text}-b", SHARED)], ADA)
            except (Conflict, LeaseHeld, LeaseLost):
                continue
            for event in events:
                print(event.sequence_number, event.stream_id, event.version, event.data["content"]["text"])
            sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
