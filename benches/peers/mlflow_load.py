"""MLflow's prompt registry as a peer, on SQLite: registers N prompts of SIZE bytes, then answers each line of standard
input, the number of a round, with the milliseconds of a load that no cache answers, in the mean of twenty.

    python mlflow_load.py FOLDER N SIZE
"""

import logging
import os
import sys
import time
import warnings

LOADS = 20

warnings.filterwarnings("ignore")
folder, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.environ["MLFLOW_TRACKING_URI"] = os.environ["MLFLOW_REGISTRY_URI"] = f"sqlite:///{folder}/mlflow.db"

import mlflow  # noqa: E402, after its settings

logging.disable(logging.INFO)
for n in range(count):
    mlflow.genai.register_prompt(name=f"P{n:05}", template=f"{n} " + "x" * size)
print(mlflow.__version__, flush=True)
for line in sys.stdin:
    first = int(line) * LOADS
    began = time.perf_counter()
    for n in range(first, first + LOADS):
        prompt = mlflow.genai.load_prompt(f"P{n % count:05}", version=1, cache_ttl_seconds=0)
        assert len(prompt.template) >= size
    print((time.perf_counter() - began) / LOADS * 1e3, flush=True)
