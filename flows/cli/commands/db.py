"""``dbsbm db``: the schema of the service's own database, and its backups."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.output import AsJson, Output

app = typer.Typer(help="The schema of the service's own database, and its backups.", no_args_is_help=True)

Yes = Annotated[bool, typer.Option("--yes", help="Confirm. Without it the plan is printed and nothing changes.")]


@app.command()
def upgrade(revision: str = "head", json: AsJson = False) -> None:
    """Upgrade the schema to the newest revision, or to REVISION."""
    from core.database import open_database
    from flows.cli.session import begin
    from migrations import schema

    engine = open_database(begin().settings.database)
    before = schema.current(engine)
    after = schema.upgrade(engine, revision)
    Output(as_json=json).result({"before": before, "after": after}, f"schema {before or 'empty'} -> {after}")


@app.command()
def downgrade(revision: str, yes: Yes = False, json: AsJson = False) -> None:
    """Undo every revision after REVISION; `base` undoes all. The rows of dropped tables are lost."""
    from core.database import open_database
    from flows.cli.session import begin
    from migrations import schema

    engine = open_database(begin().settings.database)
    before = schema.current(engine)
    if not yes:
        Output(as_json=json).result(
            {"before": before, "after": before, "plan": revision},
            f"would downgrade the schema from {before} to {revision} and drop tables; confirm with --yes",
        )
        return
    after = schema.downgrade(engine, revision)
    Output(as_json=json).result({"before": before, "after": after}, f"schema {before} -> {after or 'empty'}")


@app.command()
def backup(file: Path, json: AsJson = False) -> None:
    """Write every table, as of one moment, to FILE.

    FILE holds compressed JSON lines, which restore into any supported database.
    """
    from flows.cli.session import begin
    from flows.jobs.databases import our_database
    from migrations.backup import backup as write_backup

    session = begin()
    with our_database(session.settings) as engine:
        report = write_backup(engine, file, now=session.now)
    rows = sum(report.rows.values())
    Output(as_json=json).result(
        {"file": str(file), "rows": report.rows}, f"{rows:,} rows of {len(report.rows)} tables -> {file}"
    )


@app.command()
def restore(file: Path, replace: bool = False, yes: Yes = False, json: AsJson = False) -> None:
    """Load FILE into an empty database of the same revision.

    With --replace the database need not be empty: its rows are deleted first.
    """
    from core.addresses import shown
    from flows.cli.session import begin
    from flows.jobs.databases import our_database
    from migrations.backup import restore as load_backup

    session = begin()
    if not yes:
        target = shown(session.settings.database)
        Output(as_json=json).result({"plan": str(file)}, f"would load {file} into {target}; confirm with --yes")
        return
    with our_database(session.settings) as engine:
        report = load_backup(engine, file, replace=replace)
    rows = sum(report.rows.values())
    Output(as_json=json).result({"file": str(file), "rows": report.rows}, f"{rows:,} rows restored from {file}")


@app.command()
def check(json: AsJson = False) -> None:
    """Compare the schema with this code; exit 1 if they differ."""
    from core.database import open_database
    from flows.cli.session import begin
    from migrations import schema

    engine = open_database(begin().settings.database)
    present, expected = schema.current(engine), schema.head()
    differences = schema.differences(engine)
    good = present == expected and not differences
    text = f"schema {present}, as expected" if good else f"schema {present}, expected {expected}"
    Output(as_json=json).result(
        {"present": present, "expected": expected, "differences": differences}, "\n".join((text, *differences))
    )
    raise typer.Exit(0 if good else 1)
