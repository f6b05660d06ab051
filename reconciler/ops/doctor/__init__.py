"""The doctor: is everything there that Fleet needs on this machine, and how to mend what is not.

Each check is a function that looks at one thing and returns findings. A check changes nothing, except that connecting
to Podman may start its service, as every command does.
"""

from reconciler.ops.doctor.examination import examine
from reconciler.ops.doctor.finding import Finding, Level, Surroundings

__all__ = ["Finding", "Level", "Surroundings", "examine"]
