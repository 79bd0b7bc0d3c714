"""What a run cost, and what that says beside the same work done by people."""

from collections.abc import Mapping

from aigc_core.contracts.recipe import Prices


def cost_of(
    seconds: Mapping[str, float], prices: Prices, *, published: int, generated: int, served: float = 0.0
) -> dict[str, float | str]:
    """The run's cost in the recipe's currency, with the sentences that say what the numbers mean.

    Args:
        seconds: stage -> wall-clock seconds, each second counted in one stage only.
        prices: the recipe's; one device hour and one text written by a person.
        published: texts that went out, in rows.
        generated: requests for which text was generated, in rows.
        served: what a server asks for its tokens, in the recipe's currency; this machine's hours are charged beside it.

    Formulas (plain unit costing, nothing amortised):
        device_seconds = sum of seconds
        total          = device_seconds / 3600 * prices.device_hour + served
        per_generated  = total / generated, left out when nothing was generated
        per_published  = total / published, left out when nothing was published
    """
    device_seconds = float(sum(seconds.values()))
    total = device_seconds / 3600 * prices.device_hour + served
    cost: dict[str, float | str] = {
        "currency": prices.currency,
        "total": total,
        "device_seconds": device_seconds,
        "device_hour": prices.device_hour,
        "human_baseline_per_text": prices.human_text,
    }
    if served:
        cost["served_tokens"] = served
    if generated:
        cost["per_generated"] = total / generated
    if published:
        cost["per_published"] = total / published
    return {**cost, **_statements(total, prices, published=published)}


def _statements(total: float, prices: Prices, *, published: int) -> dict[str, float | str]:
    return {
        "basis": (
            "The seconds of every finished step are charged at the device-hour price, training in full; "
            "starting up and work lost to interruptions are not. "
            "Staff, storage and network are not in it."
        ),
        "baseline": "The price of a text by a person comes from the recipe: assumed, not measured.",
        "comparison": _comparison(total, prices, published=published),
    }


def _comparison(total: float, prices: Prices, *, published: int) -> str:
    """Per-text prices side by side; `human_text / per_published` as a ratio where both are above 0."""
    if not published:
        spent = amount(total, prices.currency)
        return f"Nothing was published: the run cost {spent} and there is no price a text."
    each = total / published
    said = f"One published text cost {amount(each, prices.currency)}; a person's costs "
    said += amount(prices.human_text, prices.currency)
    if not each or not prices.human_text:
        return f"{said}."
    ratio = prices.human_text / each
    if ratio >= 1:
        return f"{said}, {_times(ratio)} as much."
    return f"{said}: the machine was {_times(1 / ratio)} as dear."


def amount(value: float, currency: str) -> str:
    """Money for reading: two decimals from 1 upwards, two significant digits below, never 0 for some."""
    if value == 0 or abs(value) >= 1:
        return f"{value:,.2f} {currency}"
    if abs(value) < 1e-6:
        return f"under 0.000001 {currency}"
    digits = 1 - int(f"{abs(value):e}".split("e")[1])
    return f"{value:.{max(2, digits)}f} {currency}"


def _times(ratio: float) -> str:
    return f"{ratio:,.0f} times" if ratio >= 10 else f"{ratio:.1f} times"
