"""The first run of an installation: what is asked, how answers become settings, and the `.env` that keeps them.

`dbsbm init` uses it; the work on the database is in ``flows.jobs.first_run``. An answer that exists is never replaced.
The interface is ``answers``, ``plan`` and ``env_file``.
"""
