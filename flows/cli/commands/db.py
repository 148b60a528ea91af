"""``dbsbm db``: the schema of the service's own database, and its backups."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.errors import EXIT_REFUSED
from flows.cli.output import AsJson, Output, can_ask

app = typer.Typer(help="The schema of the service's own database, and its backups.", no_args_is_help=True)

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

    from migrations.restore import RestorePlan

WAITING = "another process changes the schema; waiting until it has ended"
Yes = Annotated[bool, typer.Option("--yes", help="Confirm. Without it the plan is printed and nothing changes.")]


@app.command()
def upgrade(
    revision: str = "head",
    no_backup: Annotated[bool, typer.Option("--no-backup", help="Upgrade without writing a backup first.")] = False,
    json: AsJson = False,
) -> None:
    """Upgrade the schema to the newest revision, or to REVISION.

    A database that holds rows is backed up to BACKUP_DIR first, and the backup is verified; exit 4 if that fails. An
    upgrade that was interrupted is continued. Two at once take turns.
    """
    from flows.cli.session import begin
    from flows.jobs.repairs.migration import BackupRequiredError, schema_database, upgrade_database

    session, out = begin(), Output(as_json=json)
    folder = None if no_backup else session.settings.backup_dir
    with schema_database(session.settings, lambda: out.line(WAITING)) as engine:
        try:
            change = upgrade_database(engine, revision, folder, now=session.now, on_table=out.working)
        except BackupRequiredError as error:
            out.result({"refused": error.message, "hint": error.hint}, f"refused: {error}")
            raise typer.Exit(EXIT_REFUSED) from error
    saved = change.backup
    lines = [
        *([f"continued: {change.continued}"] if change.continued else []),
        *([f"{sum(saved.rows.values()):,} rows saved in {saved.path}"] if saved else []),
        f"schema {change.before or 'empty'} -> {change.after}",
    ]
    document = {"before": change.before, "after": change.after, "backup": str(saved.path) if saved else None}
    out.result({**document, "continued": change.continued}, "\n".join(lines))


@app.command()
def downgrade(revision: str, yes: Yes = False, json: AsJson = False) -> None:
    """Undo every revision after REVISION; `base` undoes all. The rows of dropped tables are lost."""
    from flows.cli.session import begin
    from flows.jobs.repairs.migration import schema_database
    from migrations import schema

    session, out = begin(), Output(as_json=json)
    with schema_database(session.settings, lambda: out.line(WAITING)) as engine:
        before = schema.current(engine)
        if not yes:
            out.result(
                {"before": before, "after": before, "plan": revision},
                f"would downgrade the schema from {before} to {revision} and drop tables; confirm with --yes",
            )
            return
        after = schema.downgrade(engine, revision)
    out.result({"before": before, "after": after}, f"schema {before} -> {after or 'empty'}")


@app.command()
def backup(file: Path, json: AsJson = False) -> None:
    """Write every table, as of one moment, to FILE.

    FILE holds compressed JSON lines, which restore into any supported database of the same revision.
    """
    from flows.cli.session import begin
    from flows.jobs.repairs.migration import schema_database
    from migrations.backup import backup as write_backup

    session, out = begin(), Output(as_json=json)
    with schema_database(session.settings, lambda: out.line(WAITING)) as engine:
        report = write_backup(engine, file, now=session.now, on_table=out.working)
    rows = sum(report.rows.values())
    out.result({"file": str(file), "rows": report.rows}, f"{rows:,} rows of {len(report.rows)} tables -> {file}")


@app.command()
def restore(file: Path, replace: bool = False, yes: Yes = False, json: AsJson = False) -> None:
    """Load FILE into an empty database of the same revision.

    With --replace the database need not be empty: its rows are deleted first. Shows what FILE revives or takes away,
    and asks. Keys revoked and consents withdrawn since the backup stay so. Servers may run meanwhile.
    """
    from flows.cli.session import begin
    from flows.jobs.repairs.migration import schema_database
    from flows.jobs.repairs.restoration import count_workers, plan_restoration, restore_database

    session, out = begin(), Output(as_json=json)
    with schema_database(session.settings, lambda: out.line(WAITING)) as engine:
        plan = plan_restoration(engine, file, session.now)
        document, text = _described(plan, session.settings.database, count_workers(engine))
        if not yes:
            asks = can_ask() and not json
            if asks:
                out.line(text)
            if not asks or not typer.confirm("Restore it?", err=True):
                out.result(
                    {"plan": str(file), **document}, "nothing changed" if asks else f"{text}\nconfirm with --yes"
                )
                return
        done = restore_database(engine, file, session.leagues, replace=replace, now=session.now, on_table=out.working)
    rows = sum(done.rows.values())
    lines = (f"{rows:,} rows restored from {file}", *done.statements)
    out.result({"file": str(file), "rows": done.rows, "statements": list(done.statements)}, "\n".join(lines))


def _described(plan: "RestorePlan", database: "URL", workers: int) -> tuple[dict[str, Any], str]:
    """The plan as a document, and for people."""
    from core.text.addresses import shown

    target = shown(database)
    differing = {name: count for name, count in plan.rows.items() if count != plan.present[name]}
    lines = [
        f"would load {plan.path} of {plan.created_at:%Y-%m-%d %H:%M} UTC into {target}",
        *(f"  {name}: {plan.present[name]:,} rows become {count:,}" for name, count in differing.items()),
        *(f"  {statement}" for statement in plan.statements),
        *(
            [f"  {workers} serving workers are registered; they continue and follow the restored record"]
            * bool(workers)
        ),
    ]
    document = {
        "created_at": plan.created_at.isoformat(),
        "rows": plan.rows,
        "present": plan.present,
        "statements": list(plan.statements),
        "workers": workers,
    }
    return document, "\n".join(lines)


@app.command()
def check(json: AsJson = False) -> None:
    """Compare the schema with this code; exit 1 if they differ."""
    from core.database.engines import open_database
    from flows.cli.session import begin
    from migrations import schema

    engine = open_database(begin().settings.database)
    present, expected = schema.current(engine), schema.head()
    unfinished = schema.unfinished(engine)
    differences = [*([str(unfinished)] if unfinished else []), *schema.differences(engine)]
    good = present == expected and not differences
    text = f"schema {present}, as expected" if good else f"schema {present}, expected {expected}"
    Output(as_json=json).result(
        {"present": present, "expected": expected, "differences": differences}, "\n".join((text, *differences))
    )
    raise typer.Exit(0 if good else 1)
