"""``make bench``: every timing; ``make bench ARGS=archive``: one of them.

The others: requests, peers, kernel, lean, real_path, margins, money.
"""

import sys

from tests.bench import archive, features, kernel, lean, margins, money, online, peers, real_path, requests

BENCHES = {
    "archive": archive.run,
    "features": features.run,
    "online": online.run,
    "requests": requests.run,
    "peers": peers.run,
    "kernel": kernel.run,
    "lean": lean.run,
    "margins": margins.run,
    "money": money.run,
    "real_path": real_path.main,
}

if __name__ == "__main__":
    for name in sys.argv[1:] or ("archive", "features", "kernel", "requests"):
        BENCHES[name]()
