"""What one decision of the dispatch costs: 10,000 waiting sorties of ten missions, 100 free specialists; below 50 ms.

A pure function of values: nothing is read or written. Run it with `python tests/bench/dispatch.py`, or with the others:
`make bench`.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from reconciler.work.dispatch import Situation, decide
from reconciler.work.state import Mission, Sortie, SortiePlan, Specialist

SORTIES, SPECIALISTS, MISSIONS = 10_000, 100, 10
ROUNDS = 15
LIMIT_MS = 50.0
NOW_MS = 1_700_000_000_000
ABILITIES = ("python", "typescript", "docs", "review")


def situation() -> Situation:
    """Every third sortie waits for another one, every fourth has a file, one ability is asked for by each."""
    missions = {f"m{number}": Mission(id=f"m{number}", status="in_progress", parallel=50) for number in range(MISSIONS)}
    sorties = [
        Sortie(
            id=f"s{number:05d}",
            mission_id=f"m{number % MISSIONS}",
            created_at=NOW_MS - number,
            plan=SortiePlan(
                requires=frozenset({ABILITIES[number % 4]}),
                depends_on=(f"s{number - MISSIONS:05d}",) if number % 3 == 0 and number >= MISSIONS else (),
                files=(f"src/{number}.py",) if number % 4 == 0 else (),
            ),
        )
        for number in range(SORTIES)
    ]
    specialists = [
        Specialist(
            id=f"a{number}", status="idle", capabilities=frozenset(ABILITIES[: number % 4 + 1]), last_seen=NOW_MS
        )
        for number in range(SPECIALISTS)
    ]
    return Situation(now_ms=NOW_MS, sorties=sorties, specialists=specialists, missions=missions)


def main() -> int:
    """Measure and compare; 1 when it is too slow."""
    values = situation()
    given = decide(values).assignments
    assert len(given) == SPECIALISTS, len(given)
    slow = 0
    for name, explain in (("with a reason for every one that waits", True), ("without reasons, as for a claim", False)):
        times = []
        for _ in range(ROUNDS):
            began = time.process_time()
            decide(values, explain=explain)
            times.append((time.process_time() - began) * 1000)
        median = statistics.median(times)
        slow |= median > LIMIT_MS
        print(f"{SORTIES} sorties, {SPECIALISTS} specialists, {name}: {median:.1f} ms (limit {LIMIT_MS:.0f})")
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
