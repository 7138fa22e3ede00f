# ---
# jupyter:
#   jupytext: {text_representation: {extension: .py, format_name: percent}}
# ---
# %% [markdown]
# # Where the money goes
# Daily cost by owner and AI model, and where each month will end, from the ledger of the demo (`make demo` first).
# The notebook asks the same commands that people and programs ask, and computes nothing itself.

# %%
import json
import os
import subprocess
import sys

import pandas as pd

FOLDER = os.environ.get("DEMO_FOLDER", ".finops-demo")
AS_OF = "2026-04-29"


def ask(*question: str) -> pd.DataFrame:
    """The answer of one command, a row for each value; amounts stay decimal strings until they are drawn."""
    program = [sys.executable, "-m", "finops_ai", "--config", f"{FOLDER}/finops.yaml", "--as-of", AS_OF]
    environ = {**os.environ, "FINOPS_HOME": f"{FOLDER}/home"}
    done = subprocess.run([*program, *question, "--output", "json"], env=environ, check=True, stdout=subprocess.PIPE)
    return pd.DataFrame(json.loads(done.stdout))


# %% [markdown]
# ## Who spends, day by day

# %%
days = ask("costs", "--group-by", "day,x_cost_center")
daily = days.assign(cost=days["effective_cost"].astype(float)).pivot_table("cost", "day", "x_cost_center", "sum")
daily.plot(figsize=(11, 4), title="Effective cost per day")

# %% [markdown]
# ## Which model costs what

# %%
ask("costs", "--group-by", "x_ai_model,service_name").head(20)

# %% [markdown]
# ## Where the month will end

# %%
ask("forecast", "--dry-run")

# %% [markdown]
# ## What was unusual

# %%
ask("episodes", "list")
