"""``make bench``: every timing; ``make bench ARGS=archive`` (or requests, real_path): one of them."""

import sys

from tests.bench import archive, real_path, requests

BENCHES = {"archive": archive.run, "requests": requests.run, "real_path": real_path.main}

if __name__ == "__main__":
    for name in sys.argv[1:] or ("archive", "requests"):
        BENCHES[name]()
