"""The engine's verbs for images: which one a name means, fetching one, building one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from reconciler.decoders import decoder
from reconciler.errors import ActionFailed, NotFound
from reconciler.runtime.podman import wire
from reconciler.runtime.podman.client import Client, Stream, segment
from reconciler.runtime.podman.streams import json_lines

Progress = Callable[[str], None]

# Silence of this length means that nothing arrives any more; both verbs tell of every step that they take.
_SILENCE = 600.0


class Images:
    """Verbs about images, over one client."""

    _client: Client

    def image_id(self, reference: str) -> str | None:
        """The id that a reference points to locally; None when there is none."""
        try:
            made = self._client.look(f"/images/{segment(reference)}/json", wire.Made, f"look for image {reference}")
        except NotFound:
            return None
        return made.id.removeprefix("sha256:")

    def pull(self, reference: str, progress: Progress | None = None) -> str:
        """Fetch an image; its id.

        Args:
            reference: the image's name.
            progress: is told each line that the engine prints of it.

        Raises:
            ActionFailed: the registry or the engine refused, or the registry is out of reach; in the engine's words.
        """
        doing = f"pull image {reference}"
        query = {"reference": reference, "policy": "always"}
        stream = self._client.stream("POST", "/images/pull", doing, query=query, timeout=_SILENCE)
        identity = _told(stream, doing, progress)
        if not identity:
            raise ActionFailed(f"could not {doing}: Podman does not say which image it fetched")
        return identity.removeprefix("sha256:")

    def build(
        self,
        reference: str,
        context: str,
        containerfile: str,
        args: Mapping[str, str],
        target: str,
        progress: Progress | None = None,
    ) -> str:
        """Build an image from a folder and tag it; its id.

        Args:
            reference: the tag.
            context: absolute path of the folder; what its ignore file names is left out.
            containerfile: path of the instructions, relative to the context; empty for the usual names.
            args: build arguments.
            target: the stage to build; empty for the last.
            progress: is told each line that the engine prints of it.

        Raises:
            ActionFailed: a file is missing, or a step of the build failed; in the engine's words.
        """
        from reconciler.runtime.podman.building import build_context

        doing = f"build image {reference}"
        instructions, body = build_context(Path(context), containerfile, doing)
        query = {
            "t": reference,
            "dockerfile": msgspec.json.encode([instructions]).decode(),
            "buildargs": msgspec.json.encode(dict(args)).decode() if args else None,
            "target": target or None,
            "layers": True,
            "rm": True,
            "forcerm": True,
        }
        stream = self._client.stream("POST", "/build", doing, query=query, body=body, timeout=_SILENCE)
        _told(stream, doing, progress)
        identity = self.image_id(reference)
        if identity is None:
            raise ActionFailed(f"could not {doing}: Podman did not say why")
        return identity


def _told(stream: Stream, doing: str, progress: Progress | None) -> str:
    """The id at the end of what a pull or a build tells; its error, when it tells of one, is raised."""
    identity, error = "", ""
    for line in json_lines(stream):
        try:
            report = decoder(wire.Report).decode(line)
        except msgspec.MsgspecError:
            continue
        identity = report.id or identity
        error = report.error or error
        if progress is not None and report.stream.strip():
            progress(report.stream.rstrip())
    if error:
        raise ActionFailed(f"could not {doing}: {error.strip()}")
    return identity
