"""Counting what happens, in the text form that Prometheus reads. Small on purpose: a count costs one dictionary access.

A metric's name and its help stand together in the place that counts it; `/metrics` prints all of a registry.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

Labels = tuple[str, ...]
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Counter:
    """A number that only grows, for each combination of labels. Safe to use from several threads."""

    kind: Literal["counter", "gauge"] = "counter"

    def __init__(self, name: str, help_: str, labels: Labels = ()) -> None:
        self.name, self.help, self.labels = name, help_, labels
        self._values: dict[Labels, float] = {} if labels else {(): 0.0}
        self._lock = threading.Lock()

    def add(self, *labels: str, by: float = 1.0) -> None:
        """Count."""
        with self._lock:
            self._values[labels] = self._values.get(labels, 0.0) + by

    def samples(self) -> Iterator[tuple[str, Labels, Labels, float]]:
        """Name, label names, label values and value of each line."""
        for labels, value in sorted(self._values.copy().items()):
            yield self.name, self.labels, labels, value


class Total(Counter):
    """A number that only grows and is counted elsewhere."""

    def set(self, value: float, *labels: str) -> None:
        """Say how much it is now."""
        with self._lock:
            self._values[labels] = value


class Gauge(Total):
    """A number that goes up and down."""

    kind = "gauge"

    def replace(self, values: Mapping[Labels, float]) -> None:
        """Say how much it is now for every combination of labels; what is not among them is gone."""
        with self._lock:
            self._values = dict(values)


class Histogram:
    """How long something took, in buckets."""

    kind = "histogram"

    def __init__(self, name: str, help_: str, labels: Labels = (), buckets: tuple[float, ...] = SECONDS) -> None:
        self.name, self.help, self.labels = name, help_, labels
        self._buckets = buckets
        self._counts: dict[Labels, list[int]] = {} if labels else {(): [0] * (len(buckets) + 1)}
        self._sums: dict[Labels, float] = {}
        self._lock = threading.Lock()

    def observe(self, value: float, *labels: str) -> None:
        """Count one that took so long."""
        with self._lock:
            counts = self._counts.get(labels)
            if counts is None:
                counts = self._counts[labels] = [0] * (len(self._buckets) + 1)
            counts[bisect_left(self._buckets, value)] += 1
            self._sums[labels] = self._sums.get(labels, 0.0) + value

    def samples(self) -> Iterator[tuple[str, Labels, Labels, float]]:
        """Name, label names, label values and value of each line."""
        names = (*self.labels, "le")
        with self._lock:
            found = [(labels, list(counts), self._sums.get(labels, 0.0)) for labels, counts in self._counts.items()]
        for labels, counts, total in sorted(found):
            so_far = 0
            for bound, count in zip((*self._buckets, None), counts, strict=True):
                so_far += count
                yield f"{self.name}_bucket", names, (*labels, "+Inf" if bound is None else f"{bound:g}"), so_far
            yield f"{self.name}_sum", self.labels, labels, total
            yield f"{self.name}_count", self.labels, labels, so_far


Metric = Counter | Histogram


def render(metrics: Iterable[Metric]) -> str:
    """The text that Prometheus reads."""
    lines: list[str] = []
    for metric in metrics:
        lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
        for name, names, values, value in metric.samples():
            lines.append(f"{name}{_labels(names, values)} {value:.10g}")
    return "\n".join(lines) + "\n"


def _labels(names: Labels, values: Labels) -> str:
    if not names:
        return ""
    inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True))
    return f"{{{inside}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
