"""The note on MLflow's aliases after a promotion or a rollback."""


def with_alias_lag(text: str, lag: str | None) -> str:
    """The text, with the reason if MLflow's aliases do not follow the deployment record at once."""
    return text if lag is None else f"{text}; MLflow's aliases follow with the next train, promote or rollback: {lag}"
