"""Hourly series from their first days on: the shared hourly set whole, and cut into short series.

`ratio` is our day-level AUC-PR over that of the median of the last week with its MAD, which needs one day. A piece
that begins within an incident is left out; the first three days of each are not judged.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

from finops_ai.app import evaluation_detection as production
from finops_ai.app.evaluation import read_split
from tests.benchmarks.judge import judge
from tests.benchmarks.pages import FOLDER

HOURLY = FOLDER.parent / "hourly"
_WEEK, _DAY = 168, 24
_PROBATION = pd.Timedelta(days=3)
_LOUD = 5.0


def pieces(days: int, folder: Path) -> Path:
    """The set cut into series of so many days, each at its own time, as a split in `folder`."""
    costs = pd.read_parquet(HOURLY / "costs.parquet").astype({"ts": "datetime64[us]"})
    events = pd.read_csv(HOURLY / "events.csv", parse_dates=["start", "end"])
    span, kept, told, series = pd.Timedelta(days=days), [], [], []
    for key, mine in costs.groupby("series_id"):
        own = events[events["series_id"] == key]
        for number, begin in enumerate(pd.date_range(costs["ts"].min(), costs["ts"].max() - span, freq=span)):
            end, name = begin + span, f"{key}-{number}"
            if ((own["start"] < begin) & (own["end"] >= begin - pd.Timedelta(hours=1))).any():
                continue
            kept.append(mine[(mine["ts"] >= begin) & (mine["ts"] < end)].assign(series_id=name))
            inside = own[(own["start"] >= begin) & (own["start"] < end)]
            told.append(
                inside.assign(series_id=name, end=inside["end"].where(inside["end"] < end, end - pd.Timedelta(hours=1)))
            )
            series.append({"series_id": name, "score_from": begin + _PROBATION})
    pd.concat(kept).to_parquet(folder / "costs.parquet")
    pd.concat(told).to_csv(folder / "events.csv", index=False)
    pd.DataFrame(series).to_csv(folder / "series.csv", index=False)
    first, last = costs["ts"].min(), costs["ts"].max()
    task = {"freq": "h", "first": str(first), "score_from": str(first + _PROBATION), "score_to": str(last)}
    (folder / "task.json").write_text(json.dumps(task))
    return folder


def last_week(folder: Path, path: Path) -> None:
    """Verdicts of the yardstick: how many MADs an hour lies from the median of up to a week before it."""
    found = []
    for key, mine in pd.read_parquet(folder / "costs.parquet").groupby("series_id"):
        known = np.concatenate([np.full(_WEEK, np.nan), mine["cost"].to_numpy(dtype=np.float64)])
        before = sliding_window_view(known, _WEEK)[:-1]
        score = np.zeros(len(mine))
        past = before[_DAY:]
        middle = np.nanmedian(past, axis=1)
        width = 1.4826 * np.nanmedian(np.abs(past - middle[:, None]), axis=1) + 0.01 * np.abs(middle) + 0.01
        score[_DAY:] = np.abs(known[_WEEK + _DAY :] - middle) / width
        at = pd.to_datetime(mine["ts"])
        found.append(
            pd.DataFrame(
                {
                    "series_id": key,
                    "date": at,
                    "known_on": at + pd.Timedelta(hours=1),
                    "score": score,
                    "alert": (score > _LOUD).astype(int),
                }
            )
        )
    pd.concat(found).to_csv(path, index=False)


def scored(folder: Path, path: Path) -> pd.Series:
    """The judge's line for all series."""
    line: pd.Series = judge("detection")(folder, path).loc["all"]
    return line


def run(*, quick: bool = False) -> list[dict[str, Any]]:
    """Rows of {name, series, F1 of own alerts, AUC-PR, those of the yardstick, ratio}."""
    rows = []
    for days in (14,) if quick else (None, 33, 20, 14):
        with tempfile.TemporaryDirectory() as home:
            folder = HOURLY if days is None else pieces(days, Path(home))
            split, path = read_split(folder), Path(home) / "verdicts.csv"
            production.run(split, path, jobs=1, progress=lambda _: None)
            ours = scored(folder, path)
            last_week(folder, path)
            theirs = scored(folder, path)
        rows.append(
            {
                "name": "whole" if days is None else f"{days} days",
                "series": len(split.keys),
                **{f"{name} {key}": line[key] for name, line in (("our", ours), ("MAD", theirs)) for key in _TOLD},
                "ratio": ours["auc_pr"] / theirs["auc_pr"],
            }
        )
    return rows


_TOLD = ("precision", "recall", "f1", "auc_pr")
