"""Fail unless enough lines and branches of the package were run; name the files that lack most.

coverage's own `fail_under` mixes lines and branches into one number, so that many covered lines hide missed branches.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

_NAMED = 15


def share(covered: int, of: int) -> float:
    """Percent; nothing to cover is all covered."""
    return 100.0 if of == 0 else 100.0 * covered / of


def main() -> int:
    """Read coverage's JSON report and compare its totals with what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path, help="what `coverage json` wrote")
    parser.add_argument("--lines", type=float, required=True)
    parser.add_argument("--branches", type=float, required=True)
    wanted = parser.parse_args()

    report = json.loads(wanted.report.read_text())
    totals = report["totals"]
    lines = share(totals["covered_lines"], totals["num_statements"])
    branches = share(totals["covered_branches"], totals["num_branches"])
    print(
        f"coverage: {lines:.2f} % of lines (at least {wanted.lines:g}), "
        f"{branches:.2f} % of branches (at least {wanted.branches:g})"
    )
    if lines >= wanted.lines and branches >= wanted.branches:
        return 0

    def missed(summary: dict[str, int]) -> int:
        return summary["missing_lines"] + summary["missing_branches"]

    worst = sorted(report["files"].items(), key=lambda item: missed(item[1]["summary"]), reverse=True)
    print("most is missing in:", file=sys.stderr)
    for name, found in worst[:_NAMED]:
        summary = found["summary"]
        print(
            f"  {name}: {summary['missing_lines']} lines, {summary['missing_branches']} branches",
            file=sys.stderr,
        )
    return 1


if __name__ == "__main__":
    sys.exit(main())
