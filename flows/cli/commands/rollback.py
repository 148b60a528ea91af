"""``dbsbm rollback``: the previous champion again."""

from flows.cli.alias_lag import with_alias_lag
from flows.cli.output import AsJson, Output


def rollback(model: str, json: AsJson = False) -> None:
    """Make a model's previous champion the champion again. A second rollback is refused until the next promotion."""
    from flows.cli.session import begin
    from flows.jobs.databases import our_database
    from training.promotion.promote import roll_back

    session = begin()
    with our_database(session.settings) as engine:
        record, lag = roll_back(engine, session.settings.mlflow_tracking_uri, model, session.now)
    end = f"champion of {model} is version {record.champion} again (generation {record.generation})"
    Output(as_json=json).result({**vars(record), "aliases_wait_for": lag}, with_alias_lag(end, lag))
