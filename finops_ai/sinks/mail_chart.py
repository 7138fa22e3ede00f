"""The chart of a page as a PNG on its own white ground: readable in light and dark mail, no name is drawn in it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

INK, MUTED, LINE, WEEKEND = "#1b2733", "#66737f", "#dde3e8", "#f1f4f6"
SPEND, BAND, ALARM = "#0067a5", "#cfe3f1", "#c2410c"
DAYS_SHOWN = 90
NOWHERE = float("nan")


def chart_png(chart: Sequence[Mapping[str, Any]], opened_on: str | None, currency: str) -> bytes:
    """What was charged per day over the band that was expected; days of the episode stand out, incomplete ones are
    hollow. Raises ValueError for days or amounts that are none.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = sorted(chart, key=lambda row: row["day"])[-DAYS_SHOWN:]
    days = [date.fromisoformat(row["day"]) for row in rows]
    opened = date.fromisoformat(opened_on) if opened_on else date.max
    x = [float(day.toordinal()) for day in days]
    settings: dict[Any, Any] = {"font.family": ["DejaVu Sans"], "font.size": 9, "text.parse_math": False}
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(7.2, 2.7), dpi=150, layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        for day in days:
            if day.weekday() >= 5:
                axes.axvspan(day.toordinal() - 0.5, day.toordinal() + 0.5, color=WEEKEND, linewidth=0, zorder=0)
        low, high, expected, observed = (_column(rows, name) for name in ("low", "high", "expected", "observed"))
        axes.fill_between(x, low, high, color=BAND, linewidth=0, zorder=1, label="expected range")
        axes.plot(x, expected, color=MUTED, linewidth=1.3, linestyle=(0, (4, 2)), zorder=2, label="expected")
        axes.plot(x, observed, color=SPEND, linewidth=1.7, zorder=3, label=f"cost per day, {currency}")
        _marked(axes, rows, days, opened)
        _framed(axes, days)
        axes.legend(loc="upper left", ncols=4, frameon=False, fontsize=8, labelcolor=MUTED, handlelength=1.6)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _marked(axes: Any, rows: Sequence[Mapping[str, Any]], days: Sequence[date], opened: date) -> None:
    observed = _column(rows, "observed")
    strange = [(day, cost, row) for day, cost, row in zip(days, observed, rows, strict=True) if day >= opened]
    axes.plot(
        [day.toordinal() for day, _, _ in strange],
        [cost for _, cost, _ in strange],
        color=ALARM,
        linewidth=2,
        zorder=4,
        label="this episode" if strange else None,
    )
    for hollow in (False, True):
        shown = [(day, cost) for day, cost, row in strange if bool(row.get("incomplete")) == hollow]
        axes.plot(
            [day.toordinal() for day, _ in shown],
            [cost for _, cost in shown],
            linestyle="none",
            marker="o",
            markersize=4.5,
            markeredgecolor=ALARM,
            markerfacecolor="white" if hollow else ALARM,
            zorder=5,
        )


def _framed(axes: Any, days: Sequence[date]) -> None:
    """Light rules, no box; some days named below, amounts beside, from zero."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    step = max(1, len(days) // 8)
    named = [day for i, day in enumerate(reversed(days)) if i % step == 0]
    axes.set_xticks([day.toordinal() for day in named], [f"{day.day} {day:%b}" for day in named])
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, min_n_ticks=2))
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:,.0f}" if abs(value) >= 10 else f"{value:g}")
    )
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom=min(0.0, bottom), top=max(0.0, top) * 1.22 or 1)
    axes.grid(axis="y", color=LINE, linewidth=0.7, zorder=0)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, colors=MUTED, labelsize=8)
    axes.spines[:].set_visible(False)
    axes.spines["bottom"].set(visible=True, color=LINE)


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    return [NOWHERE if row.get(name) is None else float(Decimal(row[name])) for row in rows]
