"""A conversion as the text of a fleet.yaml: a head that says where it comes from, sections, remarks above what they concern."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.spec.composefile.convert import Conversion
from reconciler.spec.composefile.notes import SAID, Note
from reconciler.spec.composefile.writing import lines

_SECTION_WORDS = {
    "variables": "Each is read from the environment variable of its `env:`, and has its default without.",
    "secrets": "By reference only: the values never stand in this file, a plan or the log.",
    "volumes": "Under the names that Compose gave them, so that the data that is there is found.",
}


def render(conversion: Conversion, *, schema: str) -> str:
    """The whole text.

    Args:
        schema: what the language server is pointed at; empty leaves the line out.
    """
    return "\n".join(_text(conversion, schema)) + "\n"


def _text(conversion: Conversion, schema: str) -> Iterator[str]:
    if schema:
        yield f"# yaml-language-server: $schema={schema}"
        yield "#"
    yield f"# Made from {', '.join(conversion.sources)} by fleet init --from. `fleet plan` shows what it would do."
    document = conversion.document
    written = {note for name in document["services"] for note in conversion.notes_of(name)}
    others = [note for note in conversion.notes if note not in written]
    yield from (f"# {remark(note)}" for note in others)
    yield from lines({key: document[key] for key in ("version", "name")})
    for section, value in document.items():
        if section in ("version", "name"):
            continue
        yield ""
        if section in _SECTION_WORDS:
            yield f"# {_SECTION_WORDS[section]}"
        if section == "services" and value:
            yield "services:"
            yield from _services(conversion)
        else:
            yield from lines({section: value}) if value else [f"{section}: {{}}"]


def _services(conversion: Conversion) -> Iterator[str]:
    for number, (name, service) in enumerate(conversion.document["services"].items()):
        if number:
            yield ""
        notes: Sequence[Note] = conversion.notes_of(name)
        yield from lines({name: service}, 2, {name: [remark(note) for note in notes]})


def remark(note: Note) -> str:
    """A note as a line of a comment."""
    text = f"{note.file}:{note.line} {note.path}: {SAID[note.kind]}: {note.message}"
    return " ".join(text.split())
