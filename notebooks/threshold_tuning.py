# ---
# jupyter:
#   jupytext: {text_representation: {extension: .py, format_name: percent}}
# ---
# %% [markdown]
# # Where to put the threshold
# Detection replayed over a split of cost series, morning by morning, and what each threshold would have said.
# `SPLIT` names the folder (default: the demo's own series, `make demo` first). The notebook asks
# `finops-ai evaluate detection` and counts; labels are used where the folder has an `events.csv`.

# %%
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

FOLDER = os.environ.get("DEMO_FOLDER", ".finops-demo")
SPLIT = Path(os.environ.get("SPLIT", f"{FOLDER}/split"))
SAMPLE = os.environ.get("SAMPLE", "1")
VERDICTS = Path(os.environ.get("VERDICTS", f"{FOLDER}/verdicts.csv"))
SCORED_DAYS = 60


def demo_split(folder: Path) -> None:
    """The demo's daily cost by owner and service as a split: each day known, and whole, the morning after it."""
    program = [sys.executable, "-m", "finops_ai", "--config", f"{FOLDER}/finops.yaml", "--as-of", "2026-04-29"]
    question = ["costs", "--group-by", "day,x_cost_center,service_name", "--start", "2025-04-29", "--end", "2026-04-29"]
    done = subprocess.run(
        [*program, *question, "--output", "json"],
        env={**os.environ, "FINOPS_HOME": f"{FOLDER}/home"},
        check=True,
        stdout=subprocess.PIPE,
    )
    costs = pd.DataFrame(json.loads(done.stdout))
    costs["series_id"] = costs["x_cost_center"] + " / " + costs["service_name"]
    costs["cost"] = costs["effective_cost"].astype(float)
    wide = costs.assign(day=pd.to_datetime(costs["day"])).pivot_table("cost", "day", "series_id", "sum")
    long = wide.asfreq("D").fillna(0.0).stack().rename("cost")
    log = long.rename_axis(["usage_date", "series_id"]).reset_index()
    folder.mkdir(parents=True)
    log.assign(known_on=log["usage_date"] + pd.Timedelta("1D")).to_parquet(folder / "costs_log.parquet")
    pd.DataFrame({"series_id": wide.columns}).to_csv(folder / "series.csv", index=False)
    first, last = wide.index[-SCORED_DAYS], wide.index[-1]
    task = {"freq": "d", "score_from": first.date().isoformat(), "score_to": last.date().isoformat()}
    (folder / "task.json").write_text(json.dumps(task))


if not SPLIT.exists():
    demo_split(SPLIT)
if not VERDICTS.exists():
    command = [sys.executable, "-m", "finops_ai", "evaluate", "detection", "-i", str(SPLIT), "-o", str(VERDICTS)]
    subprocess.run([*command, "--sample", SAMPLE], check=True)
verdicts = pd.read_csv(VERDICTS, parse_dates=["date", "known_on"])
strangest = verdicts.groupby(["series_id", "date"], as_index=False)["score"].max()
years = len(strangest) / 365.25

# %% [markdown]
# ## How strange days are
# The score is -log10 of a p-value: on one scale for all series, so that one threshold serves all. Were every day
# normal, a tenth as many days would lie above each next whole number.

# %%
levels = np.arange(0, 8, 0.25)
above = pd.Series([(strangest["score"] >= level).sum() / years for level in levels], index=levels)
above.plot(logy=True, figsize=(9, 4), title="Days per series-year at least so strange", grid=True)


# %% [markdown]
# ## Episodes against incidents
# An episode are days at most three apart. Where incidents are labelled: how many are found, and how many episodes
# touch none of them.


# %%
def counted(threshold: float, labels: pd.DataFrame | None) -> dict[str, float]:
    """Episodes, and found and false ones where labels are known, at one threshold."""
    loud = strangest[strangest["score"] >= threshold].sort_values(["series_id", "date"])
    gap = loud.groupby("series_id")["date"].diff().dt.days
    row = {"threshold": threshold, "episodes": float(((gap.isna()) | (gap > 3)).sum())}
    if labels is None:
        return row
    joined = labels.merge(loud, on="series_id")
    inside = joined[(joined["date"] >= joined["start"]) & (joined["date"] <= joined["end"])]
    touched = loud.merge(inside[["series_id", "date"]].drop_duplicates(), how="left", indicator=True)
    outside = touched[touched["_merge"] == "left_only"]
    apart = outside.groupby("series_id")["date"].diff().dt.days
    false = float(((apart.isna()) | (apart > 3)).sum())
    return {**row, "found": float(inside["event_id"].nunique()), "false per series-year": round(false / years, 2)}


labels = None
if (SPLIT / "events.csv").exists():
    events = pd.read_csv(SPLIT / "events.csv", parse_dates=["start", "end"])
    scored = events["category"].isin(["cost_up", "cost_down", "data"]) & (events["end"] >= strangest["date"].min())
    labels = events[scored & events["series_id"].isin(strangest["series_id"])]
pd.DataFrame([counted(threshold, labels) for threshold in (2.0, 2.5, 2.86, 3.0, 3.5, 4.0, 5.0)])

# %% [markdown]
# The default accepts half a false episode per series and year: a p-value of 0.5 / 365.25, a score of 2.86. The command
# also controls the share of false ones among the openings of one day, so that its own alerts are fewer.

# %%
verdicts[verdicts["alert"] == 1].groupby("known_on").size().rename("alerts per morning").plot(figsize=(11, 3))
