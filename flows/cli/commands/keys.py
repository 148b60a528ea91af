"""``dbsbm keys``: API keys of callers."""

from typing import Annotated

import typer

from flows.cli.output import AsJson, Output, table

app = typer.Typer(help="Create, list and revoke the API keys of callers.", no_args_is_help=True)


@app.command()
def create(
    owner: Annotated[str, typer.Argument(help="Who uses the key: the bot, a person.")],
    scope: Annotated[list[str] | None, typer.Option(help="predict, insights, train or admin; may be repeated.")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires. Default: never.")] = None,
    guild: Annotated[int | None, typer.Option(help="The only guild whose requests it may make. Default: any.")] = None,
    json: AsJson = False,
) -> None:
    """Create a key. It is shown only now; the database keeps a hash of it."""
    from datetime import timedelta

    from flows.cli.session import begin
    from flows.jobs.databases import our_database
    from serving.access.api_keys import create_key

    session = begin()
    expires = session.now + timedelta(days=days) if days else None
    with our_database(session.settings) as engine:
        key = create_key(
            engine,
            owner=owner,
            scopes=scope or ["predict", "insights"],
            expires_at=expires,
            now=session.now,
            guild_id=guild,
        )
    Output(as_json=json).result({"id": key.key_id, "key": key.text}, key.text)


@app.command("list")
def list_them(json: AsJson = False) -> None:
    """List every key: id, owner, scopes, and whether it is valid."""
    from flows.cli.session import begin
    from flows.jobs.databases import our_database
    from serving.access.api_keys import list_keys

    session = begin()
    with our_database(session.settings) as engine:
        keys = list_keys(engine)
    header = ("id", "owner", "scopes", "guild", "created", "expires", "state")
    rows = [
        (
            key.key_id,
            key.owner,
            " ".join(sorted(key.scopes)),
            "any" if key.guild_id is None else str(key.guild_id),
            f"{key.created_at:%Y-%m-%d}",
            "never" if key.expires_at is None else f"{key.expires_at:%Y-%m-%d %H:%M}",
            "good" if key.is_active(session.now) else "revoked" if key.revoked_at else "expired",
        )
        for key in keys
    ]
    Output(as_json=json).result(
        {"keys": [dict(zip(header, row, strict=True)) for row in rows]},
        table(header, rows) if rows else "No keys exist.",
    )


@app.command()
def revoke(key_id: str, json: AsJson = False) -> None:
    """Revoke a key. Every worker refuses it within seconds."""
    from flows.cli.session import begin
    from flows.jobs.databases import our_database
    from serving.access.api_keys import revoke_key

    session = begin()
    with our_database(session.settings) as engine:
        revoke_key(engine, key_id, session.now)
    Output(as_json=json).result({"revoked": key_id}, f"revoked {key_id}")
