"""The engine's verbs for containers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Literal

from reconciler.errors import ActionFailed, NotFound, RuntimeUnreachable
from reconciler.runtime.model import (
    LABEL_PROJECT,
    ContainerDetails,
    ContainerOrder,
    Health,
    Observed,
    ObservedContainer,
)
from reconciler.runtime.podman import wire
from reconciler.runtime.podman.client import ACTION_TIMEOUT, Client, Query, filters, segment
from reconciler.runtime.podman.creation import changed_limits, creation_body, seconds
from reconciler.runtime.podman.streams import Followed, frames, log_lines
from reconciler.spec.desired import FileContent, Resources

_CHECK_MARGIN = 10.0
_HIDDEN = "***"
_HEXADECIMAL = frozenset("0123456789abcdef")


class Containers:
    """Verbs about containers, over one client."""

    _client: Client

    def observe(self, project: str) -> Observed:
        """Every container of this project, in one list call."""
        found = self._listed("list this fleet's containers", label=f"{LABEL_PROJECT}={project}")
        return Observed(containers=tuple(wire.observed(listed) for listed in found))

    def find(self, name: str) -> ObservedContainer | None:
        """A container by exact name, owned or not.

        An inspection is many times cheaper than a list chosen by name, but takes the beginning of an id for a name.
        """
        if set(name) <= _HEXADECIMAL:
            found = self._listed(f"look for container {name}", name=f"^{name}$")
            return next((wire.observed(listed) for listed in found if name in (listed.names or ())), None)
        try:
            return self.inspect(name).container
        except NotFound:
            return None

    def inspect(self, container: str) -> ContainerDetails:
        """What the list does not tell: ports as the engine chose them, addresses, a kill for want of memory."""
        return wire.details(self._inspected(container))

    def create(self, order: ContainerOrder) -> str:
        """Make a container, without starting it; its id."""
        doing = f"create container {order.name}"
        try:
            return self._client.made("/containers/create", wire.Made, doing, body=creation_body(order)).id
        except ActionFailed as refused:
            words = _without(refused.what, order.env_file_values.values())
        # Podman 4 does not use the status of what is not there for a missing image.
        raise NotFound(words) if "image not known" in words else ActionFailed(words)

    def start(self, container: str) -> None:
        """Start; one that runs already is no error."""
        self._client.act("POST", f"/containers/{segment(container)}/start", f"start container {container}")

    def stop(self, container: str, grace_ms: int) -> None:
        """Stop, with a kill after the grace period; one that is stopped already is no error."""
        self._ending("stop", container, grace_ms, {"timeout": seconds(grace_ms), "ignore": True})

    def restart(self, container: str, grace_ms: int) -> None:
        """Stop and start again; one that is stopped is started."""
        self._ending("restart", container, grace_ms, {"t": seconds(grace_ms)})

    def unpause(self, container: str) -> None:
        """Let a paused container go on."""
        self._client.act("POST", f"/containers/{segment(container)}/unpause", f"unpause container {container}")

    def remove(self, container: str) -> None:
        """Remove a stopped container and none of its volumes; one that is gone already is no error."""
        try:
            self._client.act(
                "DELETE",
                f"/containers/{segment(container)}",
                f"remove container {container}",
                query={"force": False, "v": False},
            )
        except NotFound:
            return

    def rename(self, container: str, name: str) -> None:
        """Give it another name."""
        self._client.act(
            "POST",
            f"/containers/{segment(container)}/rename",
            f"rename container {container} to {name}",
            query={"name": name},
        )

    def update(self, container: str, resources: Resources) -> None:
        """Change limits in place. Where the kernel does not account for swap, memory is limited without it."""
        path, doing = f"/containers/{segment(container)}/update", f"change the limits of container {container}"
        try:
            self._client.act("POST", path, doing, body=changed_limits(resources))
        except ActionFailed as refused:
            if "memsw" not in refused.what and "swap" not in refused.what:
                raise
            self._client.act("POST", path, doing, body=changed_limits(resources, swap=False))

    def put_file(self, container: str, file: FileContent, data: bytes) -> None:
        """Write a file into a container, running or not. Folders on the way are made where they are missing."""
        from reconciler.runtime.podman.archive import one_file

        path, doing = f"/containers/{segment(container)}/archive", f"write {file.target} into container {container}"
        folder = str(PurePosixPath(file.target).parent)
        for place, whole in ((folder, False), ("/", True)):
            body = one_file(file.target, data, mode=file.mode, uid=file.uid, gid=file.gid, whole_path=whole)
            try:
                self._client.act("PUT", path, doing, query={"path": place, "copyUIDGID": False}, body=body)
            except NotFound:
                if whole:
                    raise
            else:
                return

    def run_healthcheck(self, container: str) -> Health:
        """Run the container's own check once, and say what the engine makes of it with all that went before.

        Without systemd nothing else runs it. An engine of version 4 does not end a check that takes too long, so the
        waiting for it ends here.

        Raises:
            ActionFailed: there is no check, the container does not run, or the check did not end in its time.
        """
        doing = f"run the health check of container {container}"
        check = self._inspected(container).config.healthcheck
        allowed = (check.timeout if check else 0) / 1e9 + _CHECK_MARGIN
        try:
            self._client.act("GET", f"/containers/{segment(container)}/healthcheck", doing, timeout=allowed)
        except RuntimeUnreachable as error:
            if isinstance(error.__cause__, TimeoutError):
                raise ActionFailed(f"could not {doing}: it did not end in {allowed:g} s") from error
            raise
        except ActionFailed as refused:
            if "exceeded timeout" not in refused.what:
                raise
        return self.inspect(container).container.health

    def exec(self, container: str, command: tuple[str, ...]) -> tuple[int, bytes]:
        """Run a command inside; its exit code and all it printed.

        The engine keeps the monitor of such a session alive for minutes, so this is nothing to be asked every second.
        """
        session, output = self.exec_stream(container, command)
        printed = b"".join(content for _, content in output)
        return self.exec_code(session), printed

    def exec_stream(
        self, container: str, command: tuple[str, ...], *, user: str = "", folder: str = ""
    ) -> tuple[str, Followed[tuple[Literal["stdout", "stderr"], bytes]]]:
        """Run a command inside; the session's id, for `exec_code` afterwards, and its output as it comes.

        Args:
            container: id or name.
            command: the program and its arguments.
            user: instead of the container's own.
            folder: to run in, instead of the container's own.
        """
        doing = f"run {command[0] if command else 'nothing'} in container {container}"
        request = {
            "Cmd": list(command),
            "AttachStdout": True,
            "AttachStderr": True,
            **({"User": user} if user else {}),
            **({"WorkingDir": folder} if folder else {}),
        }
        made = self._client.made(f"/containers/{segment(container)}/exec", wire.Made, doing, body=request)
        body = {"Detach": False, "Tty": False}
        stream = self._client.stream("POST", f"/exec/{made.id}/start", doing, body=body)
        return made.id, Followed(stream, frames)

    def exec_code(self, session: str) -> int:
        """The exit code of a command that has ended."""
        state = self._client.look(f"/exec/{segment(session)}/json", wire.ExecState, "read a command's exit code")
        return state.exit_code

    def logs(
        self,
        container: str,
        *,
        tail: int | None = None,
        follow: bool = False,
        timestamps: bool = False,
        since: int | None = None,
    ) -> Iterator[tuple[Literal["stdout", "stderr"], bytes]]:
        """Lines as they were written, without their ends; a followed log can be closed."""
        query = {
            "stdout": True,
            "stderr": True,
            "follow": follow,
            "timestamps": timestamps,
            "tail": tail,
            "since": since,
        }
        path, doing = f"/containers/{segment(container)}", f"read the logs of container {container}"
        # The answer to a log that is followed begins with its first line, be that in a week.
        if follow and not self._client.exists(f"{path}/exists", doing):
            raise NotFound(f"could not {doing}: there is no such container")
        timeout = None if follow else ACTION_TIMEOUT
        stream = self._client.stream(
            "GET", f"{path}/logs", doing, query=query, timeout=timeout, looking=True, at_once=not follow
        )
        return Followed(stream, log_lines)

    def _listed(self, doing: str, **wanted: str) -> list[wire.Listed]:
        query = {"all": True, "filters": filters(**wanted)}
        return self._client.look_through("/containers/json", wire.Listed, doing, query)

    def _inspected(self, container: str) -> wire.Inspected:
        return self._client.look(
            f"/containers/{segment(container)}/json", wire.Inspected, f"inspect container {container}"
        )

    def _ending(self, verb: str, container: str, grace_ms: int, query: Query) -> None:
        self._client.act(
            "POST",
            f"/containers/{segment(container)}/{verb}",
            f"{verb} container {container}",
            query=query,
            timeout=grace_ms / 1000 + self._client.action_timeout,
        )


def _without(words: str, values: Iterable[str]) -> str:
    """The engine's words without what an env file holds."""
    for value in values:
        if len(value) > 3:
            words = words.replace(value, _HIDDEN)
    return words
