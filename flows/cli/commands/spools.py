"""``dbsbm spools``: served predictions on this machine's disk that wait for a database."""

from typing import Annotated

import typer

from flows.cli.output import AsJson, Output, table


def spools(
    adopt: Annotated[
        str, typer.Option(metavar="NAME", help="Move the spool of that name to that of DATABASE_URL's database.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Confirm. Without it nothing is moved.")] = False,
    json: AsJson = False,
) -> None:
    """List the spools below SERVING_DIR: predictions that were served and are not in a database yet.

    Servers write those of their own database into it. One that is not known to be of this database, such as that of a
    database which a restore has replaced, is moved by --adopt.
    """
    from flows.cli.session import begin
    from flows.jobs.repairs.spools import adopt_spool, list_spools

    settings, out = begin().settings, Output(as_json=json)
    if adopt and yes:
        lines = adopt_spool(settings, adopt)
        out.result({"adopted": adopt, "lines": lines}, f"{lines:,} lines moved; running servers write them now")
        return
    report = list_spools(settings)
    rows = [(name, depth, "own" if name == report.own else "other") for name, depth in report.depths.items()]
    text = table(("spool", "predictions", "database"), rows) if rows else "No prediction waits on disk."
    if adopt:
        text += f"\nwould move {adopt} to {report.own}; confirm with --yes"
    out.result({"own": report.own, "spools": dict(report.depths)}, text)
