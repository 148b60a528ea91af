"""When things happen: the `dbsbm` command, and Prefect flows that call the same plain functions on a schedule.

`cli` and `deployments` stand above `jobs`, where the work is. No other room imports this one.
"""
