"""Timings, run by ``make bench``; never part of the tests. Every speed stands beside a yardstick of the same run."""
