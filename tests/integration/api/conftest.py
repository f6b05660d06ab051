"""One server for the tests of a module; those that need another begin their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.serving import Served, served


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("api")) as found:
        yield found
