"""Filling the templates of a line's files."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from aigc_core.lines.roles import Roles

LINE_NAME = re.compile(r"[a-z][a-z0-9_]{1,47}")
_UNBROKEN = 1_000_000
_BREAKS = re.compile("[\n\r\x85\u2028\u2029]")
"""What YAML takes for the end of a line."""
_HAN = re.compile("[\u4e00-\u9fff]")
_SENTENCE = (" ", ", ", ": ", ".")
_SENTENCES = {"zh": ("：", "，", "，", "。"), "ja": ("は", "、", "：", "。")}
"""Locale -> between a name and its value, between facts, after the title, at the end; `_SENTENCE` elsewhere."""
_UNNAMED = ("这件商品的资料如下：", "。以上内容来自商品资料。")
"""Around the bare values in a Chinese text, where the facts have no Chinese names."""
_ONLY_NAMED = {"en": ("This item is called ", "."), "zh": ("这件商品名为", "。")}
"""Locale -> around the name, where the source says nothing else: a name alone is no sentence."""


def fill(template: str, view: Mapping[str, object]) -> str:
    """One file of the line, with one newline at its end."""
    made: str = _environment().get_template(template).render(view)
    return re.sub(r"\n{3,}", "\n\n", made).strip("\n") + "\n"


def templates_for(locales: Sequence[str], roles: Roles) -> dict[str, list[str]]:
    """Locale -> lines of the template that writes without a model: the title, then every fact by its label."""
    return {locale: _template(locale, roles) for locale in locales}


def _template(locale: str, roles: Roles) -> list[str]:
    between, comma, after, end = _SENTENCES.get(locale, _SENTENCE)
    fact = "{{ labels.get(name, name) }}" + between + "{{ value }}"
    labels = {one.name: one.label for one in roles.attributes if one.label != one.name}
    title = roles.title.name if roles.title else ""
    if title and len(roles.attributes) == 1 and locale in _ONLY_NAMED:
        before, after = _ONLY_NAMED[locale]
        return [f"{before}{{{{ attributes[{_literal(title)}] }}}}{after}"]
    opened = [f"{{%- set labels = {_literal(labels)} -%}}"] if labels or not roles.pairs else []
    if roles.pairs:
        fact = "{{ name }}" + between + "{{ value }}"
    elif locale == "zh" and not any(_HAN.search(one.label) for one in roles.attributes):
        after, fact, end = f"{after if title else ''}{_UNNAMED[0]}", "{{ value }}", _UNNAMED[1]
    if title:
        opened.append(f"{{{{ attributes[{_literal(title)}] }}}}")
    loop = f"{{%- for name, value in items{f' if name != {_literal(title)}' if title else ''} %}}"
    first = after if title or after.endswith(_UNNAMED[0]) else ""
    return [*opened, f"{loop}{{{{ {_literal(first)} if loop.first else {_literal(comma)} }}}}{fact}{{% endfor %}}{end}"]


def _literal(value: object) -> str:
    """A Jinja literal; Jinja reads strings and mappings as Python writes them."""
    return repr(value)


def yaml_value(value: object) -> str:
    """A value as it stands in one line of YAML."""
    text: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=_UNBROKEN, sort_keys=False)
    text = text.removesuffix("\n").removesuffix("\n...")
    if not _BREAKS.search(text):
        return text
    quoted: str = yaml.safe_dump(value, default_flow_style=True, default_style='"', width=_UNBROKEN, sort_keys=False)
    return quoted.strip()


def _step(step: Mapping[str, Any]) -> str:
    """A cleaning step without its outer braces."""
    return ("\n    ").join(f"{yaml_value(name)}: {yaml_value(value)}" for name, value in step.items())


@cache
def _environment() -> Environment:
    made = Environment(  # noqa: S701 -- YAML, where every value passes the filter `y`
        loader=PackageLoader("aigc_core.lines"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {"y": yaml_value, "y_step": _step}
    return made
