"""Charts as SVG text: what was charged, what was expected and how surely; no name from a bill is drawn."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from finops_ai.domain.period import Days
from finops_ai.domain.report import DayFigure
from finops_ai.reporting.formats import MONTHS, compact

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {
    "--ink": "#1b2733",
    "--muted": "#66737f",
    "--line": "#dde3e8",
    "--weekend": "#f1f4f6",
    "--spend": "#0067a5",
    "--spend-soft": "#8fbbd9",
    "--band": "#cfe3f1",
    "--alarm": "#c2410c",
}
"""Colours by the name of their CSS variable; the page may set it, the value here stands where it does not.

Blue against orange, told apart in every common colour blindness; hatching and dashes carry the same facts again.
"""

POINTS = 72
NAMESPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
Svg = str


def daily_chart(figures: Sequence[DayFigure], week: Days, currency: str, name: str) -> Svg:
    """Cost per day as bars (those of `week` in full colour, incomplete ones hatched), the forecast dashed in its band.

    `name` makes the element ids unique among the charts of one page.
    """
    with _figure(7.6, 2.6) as (figure, axes):
        _weekends(axes, figures)
        for figure_of_day in figures:
            if figure_of_day.observed is not None:
                _bar(axes, figure_of_day, figure_of_day.day in week)
        _expected(axes, figures)
        _frame(axes, figures, currency)
        return _svg(figure, name, "Cost per day with the forecast to the end of the month")


def cumulative_chart(figures: Sequence[DayFigure], currency: str, name: str) -> Svg:
    """The month's running total, solid as billed and dashed as forecast, with what the month comes to."""
    with _figure(4.4, 2.6) as (figure, axes):
        _weekends(axes, figures)
        billed = [f for f in figures if f.observed is not None and f.complete]
        partial = [f for f in figures if f.observed is not None and not f.complete]
        _line(axes, billed, "observed", color=COLOURS["--spend"], linewidth=2)
        _line(axes, [*billed[-1:], *partial], "observed", color=COLOURS["--spend"], linewidth=1.2, linestyle=":")
        _expected(axes, figures, billed[-1:])
        if figures and figures[-1].expected is not None:
            _label(axes, figures[-1].day, figures[-1].expected, compact(figures[-1].expected, currency))
        _frame(axes, figures, currency)
        return _svg(figure, name, "Month to date and forecast to the end of the month")


def episode_chart(figures: Sequence[DayFigure], opened_on: date, currency: str, name: str) -> Svg:
    """Observed cost over the band it was expected in; days of the episode are marked."""
    with _figure(3.7, 1.7) as (figure, axes):
        _weekends(axes, figures)
        _expected(axes, figures)
        seen = [f for f in figures if f.observed is not None]
        _line(axes, seen, "observed", color=COLOURS["--spend"], linewidth=1.6)
        strange = [f for f in seen if f.day >= opened_on]
        _line(axes, strange, "observed", color=COLOURS["--alarm"], linewidth=2, marker="o", markersize=3.5)
        _frame(axes, figures, currency, ticks=3)
        return _svg(figure, name, "Observed cost per day against the expected band")


@contextmanager
def _figure(width: float, height: float) -> Iterator[tuple[Figure, Axes]]:
    """A figure without pyplot, in settings that give the same bytes on every machine."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    settings: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "finops-ai",
        "font.family": ["DejaVu Sans"],
        "font.size": 8,
        "text.parse_math": False,
        "hatch.linewidth": 0.8,
        "axes.unicode_minus": False,
    }
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(width, height), layout="constrained")
        figure.patch.set_alpha(0)
        FigureCanvasSVG(figure)
        yield figure, figure.add_subplot()


def _bar(axes: Axes, figure: DayFigure, in_week: bool) -> None:
    colour = COLOURS["--spend" if in_week else "--spend-soft"]
    height = float(figure.observed or 0)
    if figure.complete:
        axes.bar(_x(figure.day), height, width=0.78, color=colour, zorder=2)
    else:
        axes.bar(_x(figure.day), height, width=0.78, facecolor="none", edgecolor=colour, hatch="////", zorder=2)


def _expected(axes: Axes, figures: Sequence[DayFigure], joined_to: Sequence[DayFigure] = ()) -> None:
    """Band and dashed middle; a running total is joined to its last billed day."""
    known = [f for f in figures if f.expected is not None]
    if not known:
        return
    start = [(_x(f.day), *[float(f.observed or 0)] * 3) for f in joined_to]
    points = start + [(_x(f.day), _float(f.low), _float(f.expected), _float(f.high)) for f in known]
    x, low, middle, high = zip(*points, strict=True)
    axes.fill_between(x, low, high, color=COLOURS["--band"], linewidth=0, zorder=1.5)
    axes.plot(x, middle, color=COLOURS["--muted"], linewidth=1.3, linestyle=(0, (4, 2)), zorder=3)


def _line(axes: Axes, figures: Sequence[DayFigure], attribute: str, **style: Any) -> None:
    x = [_x(figure.day) for figure in figures]
    axes.plot(x, [_float(getattr(figure, attribute)) for figure in figures], zorder=3, **style)


def _label(axes: Axes, day: date, height: Decimal, text: str) -> None:
    """Text above and to the left of a point."""
    place: dict[str, Any] = {"xytext": (0, 4), "textcoords": "offset points", "ha": "right", "va": "bottom"}
    axes.annotate(text, (_x(day), float(height)), **place, color=COLOURS["--ink"], annotation_clip=False)


def _weekends(axes: Axes, figures: Sequence[DayFigure]) -> None:
    for figure in figures:
        if figure.day.weekday() >= 5:
            axes.axvspan(_x(figure.day) - 0.5, _x(figure.day) + 0.5, color=COLOURS["--weekend"], linewidth=0, zorder=0)


def _frame(axes: Axes, figures: Sequence[DayFigure], currency: str, ticks: int = 4) -> None:
    """Light rules, no box; Mondays named below, amounts beside."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    days = [figure.day for figure in figures]
    mondays = [day for day in days if day.weekday() == 0]
    axes.set_xticks([_x(day) for day in mondays], [f"{day.day} {MONTHS[day.month - 1]}" for day in mondays])
    if days:
        axes.set_xlim(_x(days[0]) - 0.6, _x(days[-1]) + 0.6)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=ticks, min_n_ticks=2))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: compact(Decimal(repr(float(value))), currency)))
    shown = [float(v) for f in figures for v in (f.observed, f.low, f.high) if v is not None]
    axes.set_ylim(bottom=min([0.0, *shown]), top=max([*shown, 0.0]) * 1.16 or 1)
    axes.grid(axis="y", color=COLOURS["--line"], linewidth=0.7, zorder=0)
    axes.set_axisbelow(True)
    axes.set_facecolor("none")
    axes.tick_params(length=0, colors=COLOURS["--muted"], labelsize=8)
    axes.spines[:].set_visible(False)
    axes.spines["bottom"].set(visible=True, color=COLOURS["--line"])


def _x(day: date) -> float:
    return float((day - date(2000, 1, 1)) // timedelta(days=1))


def _float(amount: Decimal | None) -> float:
    return float(amount) if amount is not None else float("nan")


def _svg(figure: Figure, name: str, title: str) -> Svg:
    """The drawing as one element of a page: it scales, is named for screen readers and takes the page's colours."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    used = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", text))
    text = re.sub(r' id="([^"]*)"', lambda found: f' id="{name}-{found[1]}"' if found[1] in used else "", text)
    text = re.sub(r"(url\(#|href=\"#)", rf"\g<1>{name}-", text)
    for variable, colour in COLOURS.items():
        text = text.replace(colour, f"var({variable}, {colour})")
    text = re.sub(r"(font: [\d.]+px) [^;\"]+", r"\1 system-ui, sans-serif", text)
    width, height = (round(size * POINTS, 2) for size in figure.get_size_inches())
    head = f'<svg class="chart" role="img" aria-label="{title}" viewBox="0 0 {width:g} {height:g}" {NAMESPACES}>'
    return re.sub(r"<svg[^>]*>", head, text, count=1)
