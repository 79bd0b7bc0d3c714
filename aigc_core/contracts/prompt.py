"""What a model is asked: a line's prompt for an item, with examples and chat turns where the recipe wants them."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import Field, field_validator, model_validator

from aigc_core.contracts.sanitising import SANITISING, clean_value
from aigc_core.contracts.strict import Locale, Strict
from aigc_core.errors import RecipeInvalid
from aigc_core.ids import fingerprint
from aigc_core.records import Example, Examples

ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=False)
SEPARATOR = "\n\n"
"""Stands after each example of a prompt without chat; a text ends where the model writes it."""
Turn = tuple[str, str]
"""(role, content)."""


class Attribute(Strict):
    """One attribute shown to the model."""

    column: str
    """Catalogue contract column it comes from."""
    label: dict[Locale, str] = Field(default_factory=dict)
    """What the prompt calls it, per locale; the attribute's own name where a locale is missing."""
    unit: str = ""
    """Appended to numbers, e.g. `ml`."""
    required: bool = False
    """A request without it ends as `no_data`: it is never invented."""


class Chat(Strict):
    """The prompt is said in the model's own chat template."""

    system: str | dict[Locale, str]
    """What the model is told first, for all locales or for each; plain text, no template."""

    @field_validator("system")
    @classmethod
    def _says_something(cls, value: str | dict[str, str]) -> str | dict[str, str]:
        if not all(text.strip() for text in ([value] if isinstance(value, str) else value.values())):
            raise ValueError("says nothing; leave `chat` out to ask without a chat template")
        return value


class FewShot(Strict):
    """Pairs of the corpus shown before each item, for a model that is used as it is."""

    count: int = Field(3, ge=1, le=8)
    by_category: bool = True
    """Those of the item's category first, where the recipe names a category; else spread over all."""


class Prompting(Strict):
    """What a recipe says of prompts."""

    locales: tuple[Locale, ...] = Field(min_length=1)
    attributes: dict[str, Attribute] = Field(default_factory=dict)
    """Attribute name -> where it comes from, in prompt order. Empty when `columns.attribute_pairs` is used."""
    prompt: str | dict[Locale, str]
    """Sandboxed Jinja over `attributes` (list of name, label, value), `locale`, `item_id`; one, or one a locale."""
    chat: Chat | None = None
    few_shot: FewShot | None = None

    @field_validator("prompt")
    @classmethod
    def _prompt_parses(cls, value: str | dict[str, str]) -> str | dict[str, str]:
        for place, template in {"": value}.items() if isinstance(value, str) else value.items():
            try:
                ENVIRONMENT.parse(template)
            except TemplateSyntaxError as error:
                raise ValueError(f"prompt {place}{' ' * bool(place)}line {error.lineno}: {error.message}") from error
        return value

    @model_validator(mode="after")
    def _every_locale_is_served(self) -> "Prompting":
        told = {"prompt": self.prompt, "chat.system": self.chat.system if self.chat else ""}
        for name, texts in told.items():
            if isinstance(texts, str):
                continue
            if missing := [locale for locale in self.locales if locale not in texts]:
                raise ValueError(f"`{name}` has none for {', '.join(missing)}; it names {', '.join(texts) or 'none'}")
            if strange := [locale for locale in texts if locale not in self.locales]:
                raise ValueError(f"`{name}` names {', '.join(strange)}; the line writes {', '.join(self.locales)}")
        return self

    @model_validator(mode="after")
    def _prompt_renders(self) -> "Prompting":
        names = list(self.attributes) or ["attribute"]
        shown = [{"name": name, "value": "1"} for name in names]
        for locale in self.locales:
            try:
                prompt_for(self, "item", locale, shown)
            except RecipeInvalid as error:
                raise ValueError(f"`prompt`: {error.came}") from error
        return self

    def template_digest(self, locale: str) -> str:
        """Of all the recipe says that shapes a prompt in one locale, and of how values are cleaned.

        Whether an attribute is required and where it comes from shapes its value, which has a digest of its own.
        """
        labels = {name: one.label[locale] for name, one in self.attributes.items() if locale in one.label}
        system = _of_locale(self.chat.system, locale) if self.chat else None
        few_shot = self.few_shot.model_dump() if self.few_shot else None
        return fingerprint([_of_locale(self.prompt, locale), labels, system, few_shot, SANITISING])

    @property
    def prompt_digest(self) -> str:
        """Of the prompts of all locales and their attributes, as a model learns them."""
        attributes = {name: attribute.model_dump() for name, attribute in self.attributes.items()}
        more = [one.model_dump() for one in (self.chat, self.few_shot) if one is not None]
        return fingerprint([self.prompt, attributes, *more, SANITISING])


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is said for one item."""

    text: str
    """The item's own prompt; without chat, behind its examples."""
    turns: tuple[Turn, ...] = ()
    """Said before it; empty without chat."""

    @property
    def whole(self) -> str:
        """All that is said: what a system turn says may not be copied either."""
        return whole_prompt([content for _, content in self.turns], self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What a prompt is made of."""

    item_id: str
    product_group: str
    category: str | None
    attributes: Sequence[Mapping[str, str]]
    """`name` and `value` of each, in order; names may repeat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Items of one locale whose prompts differ in nothing but the item's own values, and the digests of the rest."""

    locale: str
    category: str
    """Empty for every category without examples of its own."""
    product_group: str
    """Empty for every product that is none of the examples."""
    template_digest: str
    examples_digest: str
    """Of the examples these items are shown."""
    prompt_digest: str
    """Of both."""


class Prompts:
    """The prompts of one night: a recipe with the examples that were drawn for it."""

    def __init__(
        self, recipe: Prompting, examples: Examples | None = None, *, special: re.Pattern[str] | None = None
    ) -> None:
        """Take what shapes the prompts.

        Args:
            examples: needed where the recipe wants some; see `corpus.examples.draw_all`.
            special: the model's special tokens; see `sanitising.special_pattern`.

        Raises:
            RecipeInvalid: the recipe wants examples and there are none.
        """
        if recipe.few_shot is not None and examples is None:
            raise RecipeInvalid(
                "`few_shot` shows pairs of the corpus, and none were drawn.",
                remedy="Name training pairs with --corpus FILE, or take `few_shot` out of the recipe.",
            )
        self._recipe, self._special = recipe, special
        self._examples = examples if recipe.few_shot else None
        self._said: dict[tuple[str, tuple[str, ...]], tuple[Turn, ...]] = {}

    @cached_property
    def older(self) -> Mapping[str, str]:
        """What rows of an older lake tell instead of their kind's digests: those of all locales and items together."""
        template, drawn = self._recipe.prompt_digest, {} if self._examples is None else self._examples.drawn
        return {
            "template_digest": template,
            "examples_digest": fingerprint(drawn),
            "prompt_digest": fingerprint([template, drawn]) if drawn else template,
        }

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Every kind there is: one a locale, and with examples those of its categories and of the products shown."""
        return tuple(self._kinds.values())

    def kind_of(self, locale: str, category: str | None, product_group: str) -> Kind:
        """The kind of an item in a locale."""
        own = category if category and (locale, category, "") in self._kinds else ""
        return self._kinds.get((locale, own, product_group)) or self._kinds[locale, own, ""]

    @cached_property
    def _kinds(self) -> dict[tuple[str, str, str], Kind]:
        found = {}
        for locale in self._recipe.locales:
            template = self._recipe.template_digest(locale)
            drawn = {} if self._examples is None else self._examples.drawn.get(locale, {})
            for category in ("", *(name for name, pairs in drawn.items() if name and pairs)):
                for group in ("", *(one.product_group for one in drawn.get(category, ()))):
                    shown = self._examples_for(locale, category, group)
                    examples = self.older["examples_digest"] if self._examples is None else fingerprint(shown)
                    found[locale, category, group] = Kind(
                        locale=locale,
                        category=category,
                        product_group=group,
                        template_digest=template,
                        examples_digest=examples,
                        prompt_digest=template if self._examples is None else fingerprint([template, examples]),
                    )
        return found

    def of(self, item: Item, locale: str) -> Prompt:
        """The prompt of one item in one locale; its own product is never among its examples."""
        recipe = self._recipe
        own = prompt_for(recipe, item.item_id, locale, item.attributes, special=self._special)
        shown = self._shown(item, locale)
        if recipe.chat is None:
            before = "".join(f"{asked}{_spaced(said)}{SEPARATOR}" for (_, asked), (_, said) in _by_two(shown))
            return Prompt(before + own)
        return Prompt(own, (("system", _of_locale(recipe.chat.system, locale)), *shown))

    def _shown(self, item: Item, locale: str) -> tuple[Turn, ...]:
        others = self._examples_for(locale, item.category, item.product_group)
        key = (locale, tuple(f"{one.item_id}\x1f{one.product_group}" for one in others))
        if key not in self._said:
            self._said[key] = tuple(turn for one in others for turn in self._turns(one, locale))
        return self._said[key]

    def _examples_for(self, locale: str, category: str | None, product_group: str) -> list[Example]:
        if self._examples is None or self._recipe.few_shot is None:
            return []
        drawn = self._examples.drawn.get(locale, {})
        pairs = drawn.get(category or "") or drawn.get("", ())
        return [one for one in pairs if one.product_group != product_group][: self._recipe.few_shot.count]

    def _turns(self, example: Example, locale: str) -> tuple[Turn, Turn]:
        pairs = [{"name": name, "value": value} for name, value in example.attributes]
        asked = prompt_for(self._recipe, example.item_id, locale, pairs, special=self._special)
        return ("user", asked), ("assistant", clean_value(example.text, self._special))


def whole_prompt(before: Sequence[str], own: str) -> str:
    """A prompt with what was said before it."""
    return "\n".join([*before, own])


def require_plain(recipe: Prompting, line: str) -> None:
    """Refuse to train for a recipe whose prompts are more than the item's own: the model would learn other prompts.

    Raises:
        RecipeInvalid: it has `chat` or `few_shot`.
    """
    used = [name for name, value in (("chat", recipe.chat), ("few_shot", recipe.few_shot)) if value is not None]
    if used:
        raise RecipeInvalid(
            f"The recipe of {line} has {' and '.join(f'`{name}`' for name in used)}, and a model would be trained.",
            "A model is tuned on the item's own prompt and its text; chat and examples are for models used unchanged.",
            f"Name a model with --model, or take {' and '.join(used)} out of the recipe.",
        )


def prompt_for(
    recipe: Prompting,
    item_id: str,
    locale: str,
    attributes: Sequence[Mapping[str, str]],
    *,
    special: re.Pattern[str] | None = None,
) -> str:
    """The line's prompt for one item, without examples; training and serving both use this.

    Args:
        attributes: `name` and `value` of each, in order; names may repeat. Each is cleaned: see `sanitising`.
        special: also taken out of values.
    """
    shown = []
    for pair in attributes:
        name = _clean_name(pair["name"], special)
        label = _clean_name(label_of(recipe, pair["name"], locale), special)
        shown.append({"name": name, "value": clean_value(pair["value"], special), "label": label})
    values = {"attributes": shown, "locale": locale, "item_id": clean_value(item_id, special)}
    return render(_of_locale(recipe.prompt, locale), values)


def label_of(recipe: Prompting, name: str, locale: str) -> str:
    """What the prompt calls an attribute in a locale: its own name where the recipe has no label."""
    attribute = recipe.attributes.get(name)
    return attribute.label.get(locale, name) if attribute else name


def render(template: str, values: Mapping[str, object]) -> str:
    """Render a line's template in the sandbox.

    Raises:
        RecipeInvalid: the template reaches for something it may not or that is not there, or computes what cannot be.
    """
    try:
        return _compiled(template).render(values).strip()
    except _RENDER_ERRORS as error:
        raise RecipeInvalid(f"The template cannot be rendered: {error}.") from error


# What an author's expression may raise while it renders.
_RENDER_ERRORS = (TemplateError, ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
_clean_name = lru_cache(maxsize=4096)(clean_value)


@lru_cache(maxsize=64)
def _compiled(template: str) -> Template:
    return ENVIRONMENT.from_string(template)


def _of_locale(texts: str | Mapping[str, str], locale: str) -> str:
    if isinstance(texts, str):
        return texts
    if locale not in texts:
        raise RecipeInvalid(f"There is no prompt for {locale!r}; there is one for {', '.join(texts)}.")
    return texts[locale]


def _by_two(turns: Sequence[Turn]) -> Sequence[tuple[Turn, Turn]]:
    return list(zip(turns[::2], turns[1::2], strict=True))


def _spaced(text: str) -> str:
    """A text as it follows its prompt: behind a space, but for scripts that write none; as in training."""
    return text if unicodedata.east_asian_width(text[:1] or " ") in "WF" else f" {text}"
