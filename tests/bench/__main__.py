"""``make bench``: every timing; ``make bench ARGS=archive``: one of them.

The others: online, pull, requests, search, errors, peers, kernel, lean, real_path, margins, money, collect, grading.
"""

import sys

from tests.bench import collect, real_path
from tests.bench.feature_store import archive, features, online, pull
from tests.bench.serving import errors, grading, lean, peers, requests, search
from tests.bench.training import kernel, margins, money

BENCHES = {
    "archive": archive.run,
    "features": features.run,
    "online": online.run,
    "pull": pull.run,
    "requests": requests.run,
    "search": search.run,
    "errors": errors.run,
    "peers": peers.run,
    "kernel": kernel.run,
    "lean": lean.run,
    "margins": margins.run,
    "money": money.run,
    "collect": collect.run,
    "grading": grading.run,
    "real_path": real_path.main,
}

if __name__ == "__main__":
    for name in sys.argv[1:] or ("archive", "errors", "features", "kernel", "peers", "pull", "requests", "search"):
        BENCHES[name]()
