"""YAML with positions: so that an error can name the line a person must change."""

from collections.abc import Sequence

import yaml


def load_yaml(text: str) -> object:
    """The document as plain values (safe loader)."""
    return yaml.safe_load(text)


def line_of(text: str, path: Sequence[str | int]) -> int:
    """The 1-based line where the value at `path` stands, or where its nearest existing parent stands."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    line = 1
    for step in path:
        child = _child(node, step)
        if child is None:
            break
        key, node = child
        line = key.start_mark.line + 1
    return line


def _child(node: yaml.Node | None, step: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return key, value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None
