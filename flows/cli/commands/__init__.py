"""One file per command, named like it: it opens what it needs, calls one plain function and shows the result.

Heavy libraries are imported inside the commands, so that `--help` is quick. Arithmetic, SQL and HTTP may not enter.
"""
