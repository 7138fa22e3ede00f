# ---
# jupyter:
#   jupytext: {text_representation: {extension: .py, format_name: percent}}
# ---
# %% [markdown]
# # How the forecasts hold up
# What each forecaster would have said in the past of the demo's ledger, which one serves which scope, and whether the
# bands cover what they promise (`make demo` first). The notebook asks the program and computes nothing but averages.

# %%
import json
import os
import subprocess
import sys

import pandas as pd

FOLDER = os.environ.get("DEMO_FOLDER", ".finops-demo")
AS_OF = "2026-04-29"


def ask(*question: str) -> pd.DataFrame:
    """The answer of one command, a row for each value."""
    program = [sys.executable, "-m", "finops_ai", "--config", f"{FOLDER}/finops.yaml", "--as-of", AS_OF]
    environ = {**os.environ, "FINOPS_HOME": f"{FOLDER}/home"}
    done = subprocess.run([*program, *question, "--output", "json"], env=environ, check=True, stdout=subprocess.PIPE)
    return pd.DataFrame(json.loads(done.stdout))


forecasts = ask("forecast", "--dry-run")

# %% [markdown]
# ## Errors in the rolling backtest, as shares of the cost

# %%
errors = pd.DataFrame(forecasts["backtest_error"].tolist())
errors.assign(served_by=forecasts["forecaster"]).groupby("served_by").median()

# %% [markdown]
# ## Who would have been best how often

# %%
errors.idxmin(axis=1).value_counts()

# %% [markdown]
# ## Coverage of the bands, measured on days they had not seen

# %%
coverage = pd.DataFrame(forecasts["measured_coverage"].tolist()).astype(float)
coverage.plot.hist(bins=20, alpha=0.5, title="Share of days inside the 80 % and the 95 % band")

# %% [markdown]
# ## What the rest of the month is made of

# %%
pd.DataFrame(forecasts["components"].dropna().tolist()).astype(float).sum().round(2)

# %% [markdown]
# ## What was promised and what came, month by month (empty until a forecast is a month old)

# %%
ask("accuracy")
