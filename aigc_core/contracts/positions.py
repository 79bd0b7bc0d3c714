"""YAML with positions: so that an error can name the line a person must change."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import yaml

Step = str | int
MOST_VALUES = 1_000_000
"""Values one document may hold with its aliases written out: far beyond any contract, and soon read."""


class _Loader(yaml.SafeLoader):
    """Safe loading, with two differences: a key written twice is an error, and dates stay text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:  # noqa: FBT001, FBT002 -- PyYAML's signature
        """The mapping, or `ConstructorError` naming the line of a repeated key."""
        seen: set[object] = set()
        for key, _ in node.value:
            name = getattr(key, "value", None)
            if key.tag != "tag:yaml.org,2002:merge" and isinstance(name, str):
                if name in seen:
                    raise yaml.constructor.ConstructorError(
                        "while reading a mapping",
                        node.start_mark,
                        f"the key {name!r} stands twice",
                        key.start_mark,
                    )
                seen.add(name)
        return super().construct_mapping(node, deep=deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A spot in a YAML file; as text it reads `corpus.odcs.yaml line 12, schema.0.name`."""

    file: str
    text: str
    steps: tuple[Step, ...] = ()

    def at(self, *steps: Step) -> "Place":
        """The spot so many steps further in."""
        return replace(self, steps=(*self.steps, *steps))

    def __str__(self) -> str:
        dotted = ".".join(map(str, self.steps))
        return f"{self.file} line {line_of(self.text, self.steps)}" + (f", {dotted}" if dotted else "")


def load_yaml(text: str) -> object:
    """The document as plain values.

    Raises:
        yaml.YAMLError: not YAML, one mapping names a key twice, it is nested beyond what can be read, or its aliases
            make more than `MOST_VALUES` of a small text.
    """
    try:
        if "*" in text and "&" in text and _values(_tree(text), {}) > MOST_VALUES:
            raise yaml.YAMLError(f"aliases make more than {MOST_VALUES:,} values of it")
        return yaml.load(text, Loader=_Loader)  # noqa: S506 -- a SafeLoader
    except RecursionError as error:
        raise yaml.YAMLError("it is nested too deeply, or holds itself") from error


def line_of(text: str, path: Sequence[Step]) -> int:
    """The 1-based line where the value at `path` stands, or where its nearest existing parent stands."""
    node = _tree(text)
    line = 1
    for step in path:
        child = _child(node, step)
        if child is None:
            break
        key, node = child
        line = key.start_mark.line + 1
    return line


@lru_cache(maxsize=8)
def _tree(text: str) -> yaml.Node | None:
    # Kept: a contract that is described asks for dozens of lines of one text.
    found: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    return found


def _values(node: yaml.Node | None, known: dict[int, int]) -> int:
    """Values in the tree when every alias is written out; a node that holds itself never ends."""
    if not isinstance(node, yaml.CollectionNode):
        return 1
    if id(node) not in known:
        parts = [part for pair in node.value for part in (pair if isinstance(pair, tuple) else (pair,))]
        known[id(node)] = MOST_VALUES + 1
        known[id(node)] = 1 + sum(_values(part, known) for part in parts)
    return known[id(node)]


def _child(node: yaml.Node | None, step: Step) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return key, value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None
