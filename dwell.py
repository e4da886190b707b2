"""dwell from Python: what nights have fitted, asked about rows as the log writes them.

import dwell

champion = dwell.load("champion")
rows = {"user_id": ["u7", "u7"], "video_id": ["v12", "v99"], "scene": ["feed", "feed"]}
print(champion.predict(rows))  # score, seconds of watch time, probabilities
"""

from tasks.core import arithmetic

arithmetic.pin_default()  # before numpy is loaded: predictions then have the bits that nights give

from tasks.inference import LoadedModel, load  # noqa: E402

__all__ = ["LoadedModel", "load"]
