"""``make bench``: every timing; ``make bench ARGS=archive`` (or requests, real_path): one of them."""

import sys

from tests.bench import archive, features, real_path, requests

BENCHES = {"archive": archive.run, "features": features.run, "requests": requests.run, "real_path": real_path.main}

if __name__ == "__main__":
    for name in sys.argv[1:] or ("archive", "features", "requests"):
        BENCHES[name]()
