"""``dbsbm init``: from nothing to models that answer."""

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from core.errors import EXIT_REFUSED, DbsbmError
from flows.cli.output import AsJson, Output, can_ask

if TYPE_CHECKING:
    from datetime import datetime

    from core.settings import Settings
    from flows.cli.first_run.plan import FirstRunOptions, FirstRunPlan
    from flows.jobs.first_run import PromotionReport, StageReport

Report = TypeVar("Report", bound="StageReport")


def init(
    database: Annotated[str | None, typer.Option(help="sqlite for a file, or the database's address.")] = None,
    redis: Annotated[str | None, typer.Option(help="none, or the address of Redis.")] = None,
    bot_database: Annotated[str | None, typer.Option(help="none, or the address of the bot's database.")] = None,
    feed: Annotated[list[str] | None, typer.Option(help="Feed of games and prices; may be repeated.")] = None,
    calls_per_day: Annotated[
        int | None, typer.Option(min=1, max=1_000_000, help="Calls in a day that each feed's plan allows.")
    ] = None,
    league: Annotated[list[str] | None, typer.Option("--league", "-l", help="League; may be repeated.")] = None,
    history: Annotated[
        str | None,
        typer.Option(help="Finished games to learn from: sample, published, none, or a folder or file of CSV."),
    ] = None,
    seasons: Annotated[int, typer.Option(min=1, max=20, help="With --history published: number of seasons.")] = 3,
    address: Annotated[
        str | None, typer.Option(help="With --history published: another server with the same pages.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; take the defaults.")] = False,
    json: AsJson = False,
) -> None:
    """Set up an installation: write .env, load games, train models and make them champions.

    On a terminal it asks for what no option or setting says; elsewhere it takes the defaults: an SQLite file, no Redis,
    no feeds, and the real games that are installed. Passwords and keys are asked without an echo, or taken from the
    environment, and kept in .env (mode 600). Nothing that exists is overwritten: a run that failed is continued by the
    next one, and after a complete run another one changes nothing.
    """
    from flows.cli.first_run.plan import FirstRunOptions

    options = FirstRunOptions(
        database, redis, bot_database, feed or (), calls_per_day, league or (), history, seasons, address
    )
    out = Output(as_json=json, stages=7)
    asks = can_ask() and not (yes or json)
    FirstRun(out, make_plan(options, asks=asks)).run()


def make_plan(options: "FirstRunOptions", *, asks: bool) -> "FirstRunPlan":
    """The plan by options, settings and answers; ``asks`` asks for these on the terminal."""
    from core.settings import ENV_FILE
    from flows.cli.first_run.answers import DefaultAnswers, TerminalAnswers
    from flows.cli.first_run.env_file import read_env
    from flows.cli.first_run.plan import FirstRunPlanner
    from flows.cli.session import begin

    answers = TerminalAnswers() if asks else DefaultAnswers()
    return FirstRunPlanner(options, begin().settings, read_env(Path(ENV_FILE)), answers).plan()


class FirstRun:
    """Runs the stages of a plan and shows a line for each."""

    def __init__(self, out: Output, plan: "FirstRunPlan") -> None:
        self._out = out
        self._plan = plan
        self._reports: dict[str, StageReport] = {}

    def run(self) -> None:
        """Write the settings, then do the work; exit 4 where the promotion gate left no champion."""
        from flows.cli.session import begin
        from flows.jobs import first_run as jobs

        keys, working = self._plan.leagues, self._out.working
        self._stage("settings", self._write_settings)
        session = begin()
        settings, now = session.settings, session.now
        self._stage("database", lambda: self._upgrade(settings, now))
        self._stage("history", lambda: jobs.load_history(settings, now, keys, self._plan.history, working))
        self._stage("pull", lambda: jobs.pull_sources(settings, now, working))
        self._stage(
            "features", lambda: jobs.build_missing_rows(settings, now, keys, working, changed=self._has_new_facts)
        )
        self._stage("train", lambda: jobs.train_missing_models(settings, now, keys, working))
        promotion = self._stage("promote", lambda: jobs.promote_first_champions(settings, now, keys))
        following = _next_commands(settings, promotion.champions)
        self._show_end(promotion, following)
        if promotion.refused and not promotion.champions:
            raise typer.Exit(EXIT_REFUSED)

    @property
    def _has_new_facts(self) -> bool:
        return any(self._reports[name].changed for name in ("history", "pull"))

    def _stage(self, name: str, work: Callable[[], Report]) -> Report:
        """Do the work and show its result. A failure says how the run is continued."""
        try:
            report = work()
        except DbsbmError as error:
            self._out.stage(name, "failed")
            error.hint = f"{error.hint} Then run `{self._plan.command}`, which continues here.".strip()
            raise
        self._out.stage(name, report.text)
        self._reports[name] = report
        return report

    def _write_settings(self) -> "StageReport":
        """Write the new feeds' file, then the settings, which name it."""
        from core.settings import ENV_FILE
        from flows.cli.first_run.env_file import add_settings
        from flows.cli.first_run.plan import FEEDS_FILE, write_feeds
        from flows.jobs.first_run import StageReport

        page = self._plan.feeds_page
        made = page is not None and write_feeds(page)
        added = add_settings(Path(ENV_FILE), self._plan.settings)
        parts = [f"{ENV_FILE} has {', '.join(added)}" if added else f"{ENV_FILE} unchanged"]
        parts += [f"{FEEDS_FILE} written"] * made
        return StageReport("; ".join(parts), changed=bool(added) or made)

    def _upgrade(self, settings: "Settings", now: "datetime") -> "StageReport":
        from core.text.addresses import shown
        from flows.cli.commands.db import WAITING
        from flows.jobs.first_run import StageReport
        from flows.jobs.repairs.migration import schema_database, upgrade_database

        with schema_database(settings, lambda: self._out.line(WAITING)) as engine:
            change = upgrade_database(engine, "head", settings.backup_dir, now=now, on_table=self._out.working)
        changed = change.before != change.after or change.continued is not None
        text = (
            f"schema {change.before or 'empty'} -> {change.after}" if changed else f"schema {change.after}, as before"
        )
        return StageReport(f"{shown(settings.database)}: {text}", changed)

    def _show_end(self, promotion: "PromotionReport", following: list[str]) -> None:
        changed = any(report.changed for report in self._reports.values())
        lines = [] if changed else ["Nothing changed: everything was set up already."]
        lines += ["Next:", *(f"  {command}" for command in following)]
        document = {
            "changed": changed,
            "stages": {name: vars(report) for name, report in self._reports.items()},
            "leagues": list(self._plan.leagues),
            "champions": promotion.champions,
            "refused": promotion.refused,
            "next": following,
        }
        self._out.result(document, "\n".join(lines))


def _next_commands(settings: "Settings", champions: Sequence[str]) -> list[str]:
    """What to start, and a forecast to ask for."""
    from flows.jobs.first_run import example_game

    commands = ["dbsbm serve"] if champions else ["dbsbm backfill PATH", "dbsbm init"]
    if settings.bot_database_url is not None or settings.feeds_file is not None:
        commands.append("dbsbm collect")
    if champions:
        league = champions[0].rpartition("-")[0]
        teams = example_game(settings, league) or ("HOME", "AWAY")
        commands.append(shlex.join(["dbsbm", "predict", *teams, "--league", league]))
    return commands
