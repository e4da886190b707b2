# %% [markdown]
# # A tour in Python
#
# From simulated days to the reason of one prediction, in a folder that is thrown away. Run it cell by cell in any editor that
# knows `# %%` (VS Code, PyCharm, Jupyter with jupytext), or as a script: `python examples/tour.py`. The world is tiny, so the
# numbers tell nothing about models; the calls are those of a real night.

# %% [markdown]
# ## A world
#
# A workspace is a folder with `params.yaml` and the stage graph. Here: the project's own, with fewer users and videos, and two
# recipes that fit fast.

# %%
import logging
import shutil
import tempfile
import warnings
from itertools import islice
from pathlib import Path

import polars as pl
import yaml

import dwell
from tasks.compare.judged import JudgedNights
from tasks.compare.models import compare_named
from tasks.compare.words import lines
from tasks.core.layout import Workspace
from tasks.main import run_stage
from tasks.night.key import prepare_night

warnings.simplefilter("ignore")
logging.disable(logging.WARNING)
pl.Config.set_tbl_rows(6)
pl.Config.set_tbl_cols(7)
pl.Config.set_tbl_width_chars(110)

project = Path(dwell.__file__).parent
params = yaml.safe_load((project / "params.yaml").read_text())
params["sources"]["simulator"] |= {"users": 300, "videos": 150, "impressions_per_day": 2000}
params["sources"]["simulator"] |= {"new_users_per_day": 10, "new_videos_per_day": 5}
params["window"] |= {"fit_days": 3}
params["training"] |= {"seeds": [0], "max_epochs": 3, "calibration": {"min_rows": 100, "max_tre": 10}}
params["evaluation"] |= {"replicates": 200, "truth_rows": 2000}

# %% [markdown]
# ## A recipe
#
# A model is a few lines of configuration: what is left out has a default (`dwell schema --part recipe` prints every key). `plain` differs from
# `d2q` in one thing: it does not read what the user watched before.

# %%
d2q = params["recipes"]["d2q"]
params["recipes"] = {"d2q": d2q, "plain": d2q | {"encoder": {"kind": "packed", "history": {"kind": "none"}}}}
params["nightly"] |= {"recipes": ["d2q", "plain"]}
params["ensembles"] = {}
print(yaml.safe_dump(d2q, sort_keys=False))

# %%
folder = tempfile.TemporaryDirectory()
workspace = Workspace(Path(folder.name))
workspace.params.write_text(yaml.safe_dump(params))
shutil.copy(project / "dvc.yaml", folder.name)
key = prepare_night(workspace, None, "simulator", None)
print(f"night {key.as_of} of {key.source}")

# %% [markdown]
# ## From the log to features
#
# Every stage is a function of files; `dwell stage NAME` calls the same one. Rows that break a rule go to quarantine with the
# rule's name.

# %%
for stage in ("ingest", "validate", "features", "table"):
    run_stage(workspace, stage)

# %%
rows = pl.read_parquet(workspace.validated / "impressions" / f"day={key.as_of}" / "*.parquet")
rows.select("user_id", "video_id", "scene", "watch_ms", "duration_ms", "like")

# %% [markdown]
# Features know what was known before the day began, whoever asks and whenever: `user_decayed_ratio` is the share of a video that
# the user watched in the past, recent impressions counting more.

# %%
examples = pl.read_parquet(workspace.features / "rows" / f"day={key.as_of}" / "*.parquet")
examples.select("user_id", "video_id", "user_decayed_count", "user_decayed_ratio", "video_decayed_ratio")

# %% [markdown]
# ## Fit and judge
#
# Both recipes fit on the same days and are judged on rows that chose nothing.

# %%
for recipe in ("d2q", "plain"):
    run_stage(workspace, "train", recipe)
    run_stage(workspace, "evaluate", recipe)

# %% [markdown]
# ## Compare
#
# Paired differences with intervals over users, as the gate has them. An interval is of one difference alone; "told apart" is what
# remains after adjusting for how many are shown.

# %%
found, left_out = compare_named(("d2q", "plain"), JudgedNights.of(workspace))
for line in islice(lines(found, left_out), 10):
    print(line)

# %% [markdown]
# ## Predict
#
# A fitted model answers for rows as the log writes them; their features are joined as those of the training rows were.

# %%
model = dwell.load("d2q", workspace.root)
asked = rows.select("user_id", "video_id", "scene").head(3)
model.predict(asked).select("user_id", "video_id", "score", "watch_mean", "watch_median", "p_skip")

# %% [markdown]
# ## Explain
#
# Seconds that each field adds to the mean of the validation rows; they sum to the prediction (before calibration).

# %%
explained = model.explain(asked)
fields = [name for name in explained.columns if name.startswith("ig_")]
first = explained.select(fields).row(0, named=True)
largest = sorted(first, key=lambda name: -abs(first[name]))[:5]
print(f"seconds {explained['seconds'][0]:.2f} = {explained['baseline_seconds'][0]:.2f} + fields")
for name in largest:
    print(f"  {name.removeprefix('ig_'):30s} {first[name]:+.2f}")
print(f"  {'all ' + str(len(fields)):30s} {sum(first.values()):+.2f}")

# %%
folder.cleanup()
