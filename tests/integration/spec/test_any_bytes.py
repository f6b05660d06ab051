"""Whatever lies where a fleet's files are looked for, loading ends with a fleet or with problems."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.errors import SpecInvalid
from reconciler.spec.inputs import LoadOptions, unchanged
from reconciler.spec.load import load
from tests.unit.spec.strategies import as_text, wild_files

names = st.sampled_from(
    ["fleet.prod.yaml", "a.yaml", "d/b.yaml", "vars.yaml", "x.env", "Containerfile", ".dockerignore"]
)
contents = (
    st.binary(max_size=60)
    | st.text(max_size=60).map(str.encode)
    | wild_files.map(lambda found: as_text(found).encode())
)
includes = st.lists(
    st.sampled_from(["a.yaml", "d/*.yaml", "*", "**", "..", "d", "/etc/passwd", "[", "", "a\0b"]), max_size=3
)
texts = st.text(max_size=6)


@given(
    main=contents | includes.map(lambda found: json.dumps({"include": found, "name": "x"}).encode()),
    others=st.dictionaries(names, contents, max_size=3),
    env=st.sampled_from(["", "prod"]) | texts,
    variables=st.dictionaries(texts, texts, max_size=2),
    profiles=st.lists(texts, max_size=1),
    key=st.sampled_from([b"", b"k" * 32]),
)
@settings(deadline=None, max_examples=200)
def test_loading_ends_with_a_fleet_or_with_problems(
    main: bytes, others: dict[str, bytes], env: str, variables: dict[str, str], profiles: list[str], key: bytes
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, data in {"fleet.yaml": main, **others}.items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_bytes(data)
        var_files = (folder / "vars.yaml",) if "vars.yaml" in others else ()
        options = LoadOptions(env, variables, var_files, tuple(profiles), {"PATH": ""}, key)
        file = folder / "fleet.yaml"
        try:
            found = load(file, project=folder, options=options)
        except SpecInvalid as error:
            assert error.problems
            assert str(error).replace("\n", "").isprintable()
        else:
            inputs = json.loads(json.dumps(found.inputs))
            assert unchanged(inputs, file=file, project=folder, options=options) or not key
