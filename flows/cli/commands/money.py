"""``dbsbm money``: a betting backtest of a model on past seasons."""

from typing import TYPE_CHECKING, Annotated

import typer

from core.errors import EXIT_REFUSED
from flows.cli.output import AsJson, Output, table

if TYPE_CHECKING:
    from training.evaluation.betting_backtest import BettingBacktest, StrategyResult


def money(
    league: Annotated[str, typer.Option("--league", "-l", help="League to bet on.")],
    seasons: Annotated[str, typer.Option(help="Years in which the seasons began: 2018-2020, or 2016,2019.")],
    price: Annotated[str, typer.Option(help="Bet at the opening price (open) or the closing one (close).")] = "close",
    features: Annotated[
        str | None, typer.Option(help="Features as of open or close. Default: as of the price of the bets.")
    ] = None,
    recipe: Annotated[str, typer.Option(help="Recipe of the model.")] = "results",
    json: AsJson = False,
) -> None:
    """Backtest bets on past seasons by models of earlier ones.

    Shows number, return and closing line value of the bets, with standard errors. A feature that holds anything later
    than the price of the bets is refused (exit 4).
    """
    from core.errors import DataIntegrityError, ValidationError
    from flows.cli.session import begin
    from flows.jobs.databases import our_database
    from training.evaluation.backtest import parse_seasons
    from training.evaluation.betting_backtest import backtest_betting
    from training.fitting.recipe import recipe_named

    for name, moment in (("price", price), ("features", features)):
        if moment not in ("open", "close", None):
            raise ValidationError(f"{name}: open or close, got {moment!r}.", field=name)
    session, out = begin(), Output(as_json=json)
    with our_database(session.settings) as engine:
        try:
            backtest = backtest_betting(
                engine,
                session.leagues.get(league),
                recipe_named(recipe),
                parse_seasons(seasons),
                price="open" if price == "open" else "close",
                features_as_of=None if features is None else "open" if features == "open" else "close",
                known_by=session.now,
                others=session.leagues,
                on_season=out.working,
            )
        except DataIntegrityError as error:
            if "price" not in error.facts:
                raise
            out.result({"refused": error.message, **error.facts}, f"refused: {error}")
            raise typer.Exit(EXIT_REFUSED) from error
    out.result(_document(backtest), _text(backtest))


def _document(backtest: "BettingBacktest") -> dict[str, object]:
    return {
        "price": backtest.price,
        "seasons": [
            {
                "season": season.name,
                "games": season.games,
                "devig": season.devig,
                "weight": season.shrinkage.weight,
                "weight_error": season.shrinkage.error,
            }
            for season in backtest.seasons
        ],
        "ways": [_strategy_document(strategy) for strategy in backtest.strategies],
    }


def _strategy_document(strategy: "StrategyResult") -> dict[str, object]:
    """The strategy's figures without its single bets."""
    return {name: number for name, number in vars(strategy).items() if name != "placed"} | {"share": strategy.share}


def _text(backtest: "BettingBacktest") -> str:
    learned = [
        (
            season.name,
            season.games,
            season.devig,
            f"{season.shrinkage.weight:.3f} ± {season.shrinkage.error:.3f}",
            season.shrinkage.games,
        )
        for season in backtest.seasons
    ]
    header = (
        "bets",
        "number",
        "per 100 games",
        "expected per unit",
        "earned per unit",
        "closing line value",
        "final bankroll",
        "drawdown",
    )
    return (
        f"{table(('season', 'games with a price', 'de-vig', 'weight of the model', 'learned on games'), learned)}\n\n"
        f"{table(header, [_bets_row(strategy) for strategy in backtest.strategies])}\n"
        f"One unit on the best bet of a game at the {backtest.price} price; ± is one standard error. The edge\n"
        "interval of a certain value bet is above zero. Final bankroll: of 100 units, by quarter Kelly with caps."
    )


def _bets_row(strategy: "StrategyResult") -> tuple[object, ...]:
    if not strategy.bets:
        return (strategy.name, 0, "0.0", "-", "-", "-", f"{strategy.bankroll:.0f}", "-")
    return (
        strategy.name,
        strategy.bets,
        f"{100 * strategy.share:.1f}",
        f"{100 * strategy.expected:+.1f} %",
        f"{100 * strategy.roi:+.1f} ± {100 * strategy.roi_error:.1f} %",
        f"{100 * strategy.clv:+.1f} ± {100 * strategy.clv_error:.1f} %",
        f"{strategy.bankroll:.0f}",
        f"{100 * strategy.drawdown:.0f} %",
    )
