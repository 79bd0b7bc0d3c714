"""The engine without a model: a line's templates filled with an item's attributes.

It is the business baseline, the load generator, the last fallback and the test double.
"""

from collections.abc import Iterator, Mapping, Sequence

from aigc_core.contracts.prompt import render
from aigc_core.engines.base import GeneratedText, TextRequest
from aigc_core.errors import RecipeInvalid
from aigc_core.events import Progress, report_progress
from aigc_core.ids import fingerprint
from aigc_core.records import Sampling

PLAIN_TEMPLATES = {
    "en": "{{ items[0][1] }}{% for name, value in items[1:] %}{{ '; ' if loop.index0 else ': ' }}"
    "{{ name }} {{ value }}{% endfor %}.",
    "zh": "{{ items[0][1] }}{% for name, value in items[1:] %}{{ '，' if loop.index0 else '：' }}"
    "{{ name }}为{{ value }}{% endfor %}。",
}
"""Locale -> the sentence written when a line has no template of its own."""


class TemplateEngine:
    """Fills sandboxed Jinja templates; attempts differ only where a template uses `attempt`."""

    engine = "template"
    dtype = "text"

    def __init__(self, templates: Mapping[str, str]) -> None:
        """Take the templates.

        Args:
            templates: locale -> template over `attributes` (name -> value, repeated ones joined by a comma),
                `items` (list of (name, value)), `locale` and `attempt`. Empty: `PLAIN_TEMPLATES`.
        """
        self._templates = dict(templates) or PLAIN_TEMPLATES
        self.model_digest = f"template-{fingerprint(self._templates)}"

    def generate(self, requests: Sequence[TextRequest], *, sampling: Sampling, attempt: int) -> Iterator[GeneratedText]:
        """Yield one text a request; see `Generator`. Sampling is not used."""
        for request in requests:
            yield self._write(request, attempt)
        report_progress(Progress(stage="generate", done=len(requests), total=len(requests)))

    def _write(self, request: TextRequest, attempt: int) -> GeneratedText:
        template = self._templates.get(request.locale)
        if template is None:
            known = ", ".join(sorted(self._templates))
            return _failed(request, f"There is no template for locale {request.locale}; there is one for {known}.")
        try:
            text = render(template, _values(request, attempt))
        except RecipeInvalid as error:
            return _failed(request, f"The {request.locale} template failed: {error}")
        if not text:
            return _failed(request, f"The {request.locale} template gave an empty text.")
        return GeneratedText(key=request.key, text=text, finish_reason="stop")


def _values(request: TextRequest, attempt: int) -> dict[str, object]:
    grouped: dict[str, list[str]] = {}
    for name, value in request.attributes:
        grouped.setdefault(name, []).append(value)
    attributes = {name: ", ".join(values) for name, values in grouped.items()}
    items = list(request.attributes)
    return {"attributes": attributes, "items": items, "locale": request.locale, "attempt": attempt}


def _failed(request: TextRequest, error: str) -> GeneratedText:
    return GeneratedText(key=request.key, text="", finish_reason="error", error=error)
