"""Text to tree: the parser's events put together without recursion, within limits, refusing what is not plain data.

Refused with their place: a second document, tags, keys given twice, keys that are not text, an anchor that holds itself,
nesting beyond `MAX_DEPTH`, and more than `MAX_NODES` values once aliases are counted at full size (a few lines of
aliases can stand for billions of values). `<<` merges mappings, as Compose files use it.
"""

from __future__ import annotations

from typing import Any

from reconciler.errors import Problem
from reconciler.spec.problems import Problems
from reconciler.spec.source import Source
from reconciler.spec.tree import UNUSABLE, Entry, Mapping, Node, Scalar, Sequence, child, kind_of, plain_value
from reconciler.spec.wording import quoted

MAX_DEPTH = 64
MAX_NODES = 250_000

_SHOWN_DEPTH = 8

_TEXT_TAGS = frozenset({"!", "tag:yaml.org,2002:str"})
_COLLECTION_TAGS = {
    Mapping: frozenset({"!", "tag:yaml.org,2002:map"}),
    Sequence: frozenset({"!", "tag:yaml.org,2002:seq"}),
}
_YAML_TAG = "tag:yaml.org,2002:"


class _Stop(Exception):
    """The rest of this file is not read: what was wrong is reported already."""


class _Open:
    """A collection whose end has not been seen yet."""

    __slots__ = ("anchor", "before", "key", "merges", "node", "refused")

    def __init__(self, node: Mapping | Sequence, anchor: str | None, before: int, refused: bool) -> None:
        self.node = node
        self.refused = refused
        self.anchor = anchor
        self.before = before
        self.key: Scalar | None = None
        self.merges: list[tuple[Scalar, Node]] = []


class _Composer:
    def __init__(self, source: Source, problems: Problems) -> None:
        self.source = source
        self.problems = problems
        self.stack: list[_Open] = []
        self.root: Node | None = None
        self.count = 0
        self.anchors: dict[str, tuple[Node | None, int]] = {}

    def path(self) -> str:
        path = ""
        for level in self.stack[:_SHOWN_DEPTH]:
            if isinstance(level.node, Sequence):
                path = child(path, len(level.node.items))
            elif level.key is not None:
                path = child(path, level.key.text)
        return path if len(self.stack) <= _SHOWN_DEPTH else f"{path}…"

    def wrong(self, line: int, column: int, message: str, hint: str = "") -> None:
        self.problems.add(Problem(self.source.shown, line, column, self.path(), message, hint))

    def run(self, parser: Any) -> None:
        import yaml

        get_event = parser.get_event
        while True:
            event = get_event()
            kind = type(event)
            if kind is yaml.ScalarEvent:
                self.scalar(event)
            elif kind is yaml.MappingStartEvent:
                self.open(event, Mapping(self.source, *_place(event), {}))
            elif kind is yaml.SequenceStartEvent:
                self.open(event, Sequence(self.source, *_place(event), []))
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                self.close()
            elif kind is yaml.AliasEvent:
                self.alias(event)
            elif kind is yaml.DocumentStartEvent and self.root is not None:
                self.wrong(*_place(event), "a second document begins here", "a fleet's file is one document")
                raise _Stop
            elif kind is yaml.StreamEndEvent or event is None:
                return

    def scalar(self, event: Any) -> None:
        mark = event.start_mark
        line, column = mark.line + 1, mark.column + 1
        text = event.value
        tag = event.tag
        if tag is not None and tag not in _TEXT_TAGS:
            self.refuse_tag(line, column, tag)
            node = Scalar(self.source, line, column, text, UNUSABLE)
        elif tag is None and event.implicit[0]:
            node = Scalar(self.source, line, column, text, plain_value(text), True)
        else:
            node = Scalar(self.source, line, column, text, text)
        self.grow(1, line, column)
        if event.anchor is not None:
            self.anchors[event.anchor] = (node, 1)
        self.place(node)

    def open(self, event: Any, node: Mapping | Sequence) -> None:
        tag = event.tag
        refused = tag is not None and tag not in _COLLECTION_TAGS[type(node)]
        if refused:
            self.refuse_tag(node.line, node.column, tag)
        if len(self.stack) >= MAX_DEPTH:
            self.wrong(node.line, node.column, f"values are nested more than {MAX_DEPTH} deep")
            raise _Stop
        self.grow(1, node.line, node.column)
        if event.anchor is not None:
            self.anchors[event.anchor] = (None, 0)
        self.stack.append(_Open(node, event.anchor, self.count - 1, refused))

    def close(self) -> None:
        level = self.stack.pop()
        node: Node = level.node
        for key, merged in level.merges:
            self.merge(level.node, key, merged)
        if level.refused:
            node = Scalar(self.source, node.line, node.column, "", UNUSABLE)
        if level.anchor is not None:
            self.anchors[level.anchor] = (node, self.count - level.before)
        self.place(node)

    def alias(self, event: Any) -> None:
        line, column = _place(event)
        name = event.anchor
        if name not in self.anchors:
            self.wrong(line, column, f"there is no anchor &{name} before this alias")
            raise _Stop
        node, size = self.anchors[name]
        if node is None:
            self.wrong(line, column, f"the alias *{name} stands inside its own anchor")
            raise _Stop
        self.grow(size, line, column)
        self.place(node)

    def grow(self, size: int, line: int, column: int) -> None:
        self.count += size
        if self.count > MAX_NODES:
            self.wrong(
                line,
                column,
                f"the file stands for more than {MAX_NODES:,} values",
                "aliases count as often as they are used; split the file with include",
            )
            raise _Stop

    def refuse_tag(self, line: int, column: int, tag: str) -> None:
        shown = f"!!{tag.removeprefix(_YAML_TAG)}" if tag.startswith(_YAML_TAG) else tag
        self.wrong(line, column, f"the tag {quoted(shown)} is not allowed", "write the value without a tag")

    def place(self, node: Node) -> None:
        """Put a finished node where it belongs: the document, a list, a key, or the value of the key before."""
        if not self.stack:
            self.root = node
            return
        level = self.stack[-1]
        into = level.node
        if isinstance(into, Sequence):
            into.items.append(node)
        elif level.key is None:
            level.key = self.key(node)
        else:
            key, level.key = level.key, None
            self.put(level, into, key, node)

    def key(self, node: Node) -> Scalar:
        if isinstance(node, Scalar) and node.value is not None:
            return node
        self.wrong(node.line, node.column, f"a key is text, not {kind_of(node)}")
        return Scalar(self.source, node.line, node.column, "?", UNUSABLE)

    def put(self, level: _Open, into: Mapping, key: Scalar, value: Node) -> None:
        if key.value is UNUSABLE:
            return
        if key.text == "<<" and key.plain:
            level.merges.append((key, value))
            return
        first = into.entries.get(key.text)
        if first is None:
            into.entries[key.text] = Entry(key.source, key.line, key.column, value)
            return
        self.wrong_twice(key, first)

    def wrong_twice(self, key: Scalar, first: Entry) -> None:
        path = child(self.path(), key.text)
        message = f"the key {quoted(key.text)} is given twice"
        hint = f"the first is at {first.source.shown}:{first.line}:{first.column}"
        self.problems.add(Problem(self.source.shown, key.line, key.column, path, message, hint))

    def merge(self, into: Mapping | Sequence, key: Scalar, merged: Node) -> None:
        """Take over the keys of merged mappings that are not given here; of several the first one counts."""
        assert isinstance(into, Mapping)
        for node in merged.items if isinstance(merged, Sequence) else [merged]:
            if not isinstance(node, Mapping):
                self.wrong(key.line, key.column, f"<< merges mappings, and this is {kind_of(node)}")
                continue
            for name, entry in node.entries.items():
                into.entries.setdefault(name, entry)


def _place(event: Any) -> tuple[int, int]:
    mark = event.start_mark
    return mark.line + 1, mark.column + 1


def compose(source: Source, problems: Problems) -> Mapping | None:
    """The tree of a file; None when it cannot be used, with the reason among the problems.

    An empty file is an empty mapping.
    """
    import yaml

    composer = _Composer(source, problems)
    try:
        composer.run(getattr(yaml, "CSafeLoader", yaml.SafeLoader)(source.text))
    except _Stop:
        problems.incomplete = True
        return None
    except yaml.MarkedYAMLError as error:
        problems.add(_syntax_problem(source, error))
        problems.incomplete = True
        return None
    except yaml.YAMLError as error:
        problems.add(Problem(source.shown, 1, 1, "", f"this is not YAML: {quoted(str(error))}"))
        problems.incomplete = True
        return None
    root = composer.root
    if root is None or (isinstance(root, Scalar) and root.value is None):
        return Mapping(source, 1, 1, {})
    if not isinstance(root, Mapping):
        problems.wrong(root, "", f"the file holds {kind_of(root)} where a mapping is wanted", "begin with version: 1")
        problems.incomplete = True
        return None
    return root


def _syntax_problem(source: Source, error: Any) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    message = error.problem or error.context or "this is not YAML"
    return Problem(source.shown, line, column, "", f"YAML: {message}", _syntax_hint(source, error, line, column))


def _syntax_hint(source: Source, error: Any, line: int, column: int) -> str:
    """What is likely meant, else where the parser was."""
    wrong = (*source.text.split("\n")[line - 1 : line], "")[0]
    start = error.context_mark
    if wrong[:column].strip(" ").startswith("\t"):
        return "indent with spaces, not tabs"
    if "${" in wrong and "flow" in (error.context or ""):
        return 'inside of { } and [ ] a reference needs quotes: "${name}"'
    return (error.context or "") + (f" that begins in line {start.line + 1}" if start is not None else "")
