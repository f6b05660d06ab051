"""The file watcher: rings when a file that the fleet depends on is not what it was.

The operating system's notices make it quick and are hints only. A mark of all files is taken every second as well, so that
a file system without notices (a network share, a bind mount into a virtual machine) is as right and merely slower.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from reconciler.control.watch.wake import Bell
from reconciler.control.watch.watched import Mark, Watched

POLL_SECONDS = 1.0
_QUICK_POLL_SECONDS = 0.1
# How the operating system's notices are gathered: the loop has a debounce of its own.
_GATHER_MS = 20
_STOP_MS = 2_000


class FileWatcher:
    """Rings the bell with `file`. Begin with `watch`, end with `stop`.

    Args:
        polling: take no notices from the operating system, and look more often instead.
        tell: is told in a sentence when there can be no notices.
    """

    def __init__(self, bell: Bell, *, polling: bool = False, tell: Callable[[str], None] = lambda _: None) -> None:
        self._bell = bell
        self._polling = polling
        self._tell = tell
        self._watched = Watched()
        self._mark: Mark = ()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._notices: list[_Notices] = []
        self._poller = threading.Thread(target=self._poll, name="fleet-files", daemon=True)

    def watch(self, wanted: Watched) -> None:
        """From now on watch these. Rings when they are other files than before, one of which may have changed already."""
        if wanted == self._watched:
            return
        with self._lock:
            self._watched, self._mark = wanted, wanted.mark()
        self._take_notices(wanted)
        self._bell.ring("file")
        if not self._poller.is_alive():
            self._poller.start()

    def mark(self) -> Mark:
        """The state of the files now."""
        return self._watched.mark()

    def stop(self) -> None:
        """End all threads."""
        self._stopped.set()
        for notices in self._notices:
            notices.stop()
        if self._poller.is_alive():
            self._poller.join()

    def _take_notices(self, wanted: Watched) -> None:
        if self._polling:
            return
        contexts = frozenset(folder for folder in wanted.contexts if folder.is_dir())
        places = [(wanted.folders(), False, self.check), (contexts, True, lambda: self._bell.ring("file"))]
        kept = []
        for folders, deep, heard in places:
            same = next((one for one in self._notices if (one.folders, one.deep) == (folders, deep)), None)
            if same is not None:
                kept.append(same)
            elif folders:
                kept.append(_Notices(folders, deep, heard, self._without_notices))
        for old in self._notices:
            if old not in kept:
                old.stop()
        self._notices = kept

    def _without_notices(self, why: str) -> None:
        self._tell(f"no notices from the file system ({why}); files are looked at every {POLL_SECONDS:g} s")

    def check(self) -> None:
        """Ring if any file is not what it was."""
        with self._lock:
            now = self._watched.mark()
            changed, self._mark = now != self._mark, now
        if changed:
            self._bell.ring("file")

    def _poll(self) -> None:
        while not self._stopped.wait(_QUICK_POLL_SECONDS if self._polling else POLL_SECONDS):
            self.check()


class _Notices:
    """The operating system's notices about some folders, in a thread."""

    def __init__(
        self, folders: Iterable[Path], deep: bool, heard: Callable[[], None], failed: Callable[[str], None]
    ) -> None:
        self.folders = frozenset(folders)
        self.deep = deep
        self._heard = heard
        self._failed = failed
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fleet-notices", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it; the thread ends within one gathering."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        from watchfiles import watch

        try:
            for _ in watch(
                *sorted(self.folders),
                watch_filter=None,
                debounce=2 * _GATHER_MS,
                step=_GATHER_MS,
                rust_timeout=_STOP_MS,
                stop_event=self._stopped,
                recursive=self.deep,
                raise_interrupt=False,
                ignore_permission_denied=self.deep,
            ):
                self._heard()
        except (OSError, RuntimeError) as error:
            if not self._stopped.is_set():
                self._failed(str(error))
