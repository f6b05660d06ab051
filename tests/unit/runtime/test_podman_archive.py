"""Archives that the engine unpacks."""

from __future__ import annotations

import io
import tarfile

import pytest

from reconciler.runtime.podman.archive import one_file


@pytest.mark.parametrize(("whole", "name"), [(False, "x.conf"), (True, "etc/app/x.conf")])
def test_one_file(whole: bool, name: str) -> None:
    data = one_file("/etc/app/x.conf", b"set" * 300, mode=0o640, uid=7, gid=8, whole_path=whole)
    assert len(data) % tarfile.BLOCKSIZE == 0
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        (entry,) = archive.getmembers()
        assert (entry.name, entry.mode, entry.uid, entry.gid) == (name, 0o640, 7, 8)
        content = archive.extractfile(entry)
        assert content is not None
        assert content.read() == b"set" * 300


def test_a_name_longer_than_a_header_holds() -> None:
    target = "/" + "/".join(["a" * 90] * 4)
    with tarfile.open(fileobj=io.BytesIO(one_file(target, b"", mode=0o400, uid=0, gid=0, whole_path=True))) as archive:
        assert archive.getnames() == [target[1:]]
