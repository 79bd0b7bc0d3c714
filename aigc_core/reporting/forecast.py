"""What a plan will take: texts, tokens, seconds and money, from what earlier nights or a calibration took."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from aigc_core.contracts.generation import Caps
from aigc_core.contracts.recipe import Prices
from aigc_core.records import Counts, Estimate, RequestSet, RunSummary
from aigc_core.reporting.economics import amount

NIGHTS = 5
"""Latest nights the rates are drawn from."""
_AFTER = ("screen", "seal", "audit", "publish")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What one text takes."""

    texts_a_request: float
    """Texts generated for one request, later attempts included."""
    tokens_a_text: float
    seconds_a_text: float
    """Of generating."""
    seconds_a_request: float
    """Of all that follows generating: checks, audit, publishing."""
    basis: str
    served_a_text: float = 0.0
    """What a server asks for one text's tokens, in the recipe's currency."""


def rates_of(history: Sequence[RunSummary], *, engine: str, model: str) -> Rates | None:
    """The rates of the latest nights that generated with this engine; those of this very model where there are any.

    Args:
        history: summaries, latest first.
        model: digest.
    """
    same_engine = [night for night in history if night.model.get("engine") == engine and night.attempts.get("1")]
    same_model = [night for night in same_engine if night.model.get("digest") == model]
    chosen = (same_model or same_engine)[:NIGHTS]
    if not chosen:
        return None
    texts = sum(sum(night.attempts.values()) for night in chosen)
    requests = sum(night.attempts["1"] for night in chosen)
    which = "this model" if same_model else f"the engine {engine} with another model"
    nights = "1 earlier night" if len(chosen) == 1 else f"{len(chosen)} earlier nights"
    return Rates(
        texts_a_request=texts / requests,
        tokens_a_text=sum(night.tokens for night in chosen) / texts,
        seconds_a_text=sum(night.seconds["generate"] for night in chosen) / texts,
        seconds_a_request=sum(night.seconds[stage] for night in chosen for stage in _AFTER) / requests,
        basis=f"{nights} of {which}: {texts:,} texts",
        served_a_text=sum(float(night.cost.get("served_tokens", 0.0)) for night in chosen) / texts,
    )


def texts_a_request(accepted_share: float, attempts: int) -> float:
    """Expected texts for one request when each is accepted with this chance and at most `attempts` are made.

    The mean of a geometric distribution cut off at `attempts`: (1 - (1 - p)^n) / p.
    """
    if accepted_share <= 0:
        return float(attempts)
    return float((1 - (1 - accepted_share) ** attempts) / accepted_share)


def estimate(requests: RequestSet, rates: Rates | None, prices: Prices, *, attempts: int) -> Estimate:
    """What generating the open requests takes.

    Args:
        rates: None where nothing is known: then only the fewest texts can be told.
        attempts: most texts a request.
    """
    if not requests.to_generate:
        return Estimate(texts=0, tokens=0, seconds=0, money=0, basis="nothing is generated")
    if rates is None:
        unknown = f"no earlier night and no model to try: from {requests.to_generate:,} to "
        most = requests.to_generate * attempts
        return Estimate(
            texts=requests.to_generate, tokens=None, seconds=None, money=None, basis=f"{unknown}{most:,} texts"
        )
    texts = requests.to_generate * rates.texts_a_request
    seconds = texts * rates.seconds_a_text + requests.to_generate * rates.seconds_a_request
    return Estimate(
        texts=round(texts),
        tokens=round(texts * rates.tokens_a_text),
        seconds=round(seconds, 1),
        money=seconds / 3600 * prices.device_hour + texts * rates.served_a_text,
        basis=rates.basis,
    )


def at_most(found: Estimate, requests: RequestSet, *, attempts: int) -> Estimate:
    """The estimate with the most texts there can be: what a cap is held against before a night told their number."""
    return replace(found, texts=requests.to_generate * attempts)


def untold_caps(found: Estimate, caps: Caps) -> tuple[str, ...]:
    """The caps that an estimate says nothing of, in words."""
    told = {"tokens": (found.tokens, caps.tokens), "seconds": (found.seconds, caps.seconds)}
    told["money"] = (found.money, caps.money)
    return tuple(f"{name} cannot be told" for name, (value, cap) in told.items() if value is None and cap is not None)


def passed_caps(found: Estimate, caps: Caps, currency: str) -> tuple[str, ...]:
    """The caps an estimate passes, in words; for what cannot be told see `untold_caps`."""
    told = {
        "texts": (found.texts, caps.texts),
        "tokens": (found.tokens, caps.tokens),
        "seconds": (found.seconds, caps.seconds),
    }
    words = [
        f"about {value:,.0f} {name}, the cap is {cap:,.0f}"
        for name, (value, cap) in told.items()
        if value is not None and cap is not None and value > cap
    ]
    if found.money is not None and caps.money is not None and found.money > caps.money:
        words.append(f"about {amount(found.money, currency)}, the cap is {amount(caps.money, currency)}")
    return tuple(words)


def families(reasons: Mapping[str, int]) -> Counts:
    """Reasons without what is particular to a row: `no data: colour` counts as `no data`."""
    counts = Counter[str]()
    for reason, count in reasons.items():
        counts[reason.split(":")[0]] += count
    return dict(counts.most_common())
