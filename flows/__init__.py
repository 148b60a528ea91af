"""When things happen: the `dbsbm` command, and Prefect flows that call the same plain functions on a schedule."""
