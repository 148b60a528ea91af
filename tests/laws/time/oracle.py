"""A second, slow opinion on every feature: from all known facts, anew for each row, with plain loops.

Nothing of the fold is used: no state, no checkpoints, no consensus. The formulas are written from the
docstrings; only the numbers of ``Rules`` are shared. Each quantity has its own walk over the finished games.
"""

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from math import exp, log, nan, pi, sqrt
from typing import Any, NamedTuple

from core.betting.leagues import League
from feature_store.archive.facts import FactBatch, GameFact, Result
from feature_store.history.ratings import Rules, rules_of
from tests.laws.time.oracle_words import (
    POINTS_PER_TEN_TO_ONE,
    Finished,
    Market,
    Pair,
    expected_share,
    mean,
    share,
    sign,
)

ORDER_OF_MOMENTS = ["open", "last", "close"]
MIDDLE = 1500.0
Points = Callable[[Finished], Pair]


class Oracle:
    """What was known of a league at one moment, and every feature of any game from it."""

    def __init__(self, league: League, facts: FactBatch, moment: datetime) -> None:
        self.league = league
        self.rules: Rules = rules_of(league.sport)
        self.facts = facts
        self.moment = moment
        self.finished = self._finished()
        self.priced: dict[Finished, Pair] = {}

    def game(self, game_id: str) -> GameFact:
        """The latest version of the game known at the moment; its first version if there was none yet."""
        versions = sorted(
            (game for game in self.facts.games if game.game_id == game_id), key=lambda game: game.known_at
        )
        known = [game for game in versions if game.known_at <= self.moment]
        return known[-1] if known else versions[0]

    def _result(self, game_id: str) -> Result | None:
        known = [r for r in self.facts.results if r.game_id == game_id and r.known_at <= self.moment]
        return max(known, key=lambda result: result.known_at) if known else None

    def _finished(self) -> list[Finished]:
        """Games that ended by what is known now, in the order in which they ended."""
        ended = []
        for game_id in {game.game_id for game in self.facts.games if game.known_at <= self.moment}:
            game, result = self.game(game_id), self._result(game_id)
            if game.status == "void" or result is None or result.home_score is None or result.away_score is None:
                continue
            place = (result.finished_at, game.start_at, game_id)
            shots, on_target = (
                tuple(nan if count is None else float(count) for count in counts)
                for counts in (
                    (result.home_shots, result.away_shots),
                    (result.home_shots_on_target, result.away_shots_on_target),
                )
            )
            ended.append((place, Finished(game, result.home_score, result.away_score, shots, on_target)))
        return [finished for _, finished in sorted(ended, key=lambda item: item[0])]

    def market(self, game: GameFact, *, first: bool = False, again: bool = False) -> Market:
        """Mean over the books of what each showed last before the start, market by market, as known now.

        With ``first``: of what each showed first. With ``again``: only of books that have shown that market since.
        """
        chances: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
        spreads: dict[str, list[float]] = defaultdict(list)
        totals: dict[str, list[float]] = defaultdict(list)
        overs: dict[str, list[float]] = defaultdict(list)
        for quote in sorted(self.facts.quotes, key=lambda q: (q.known_at, ORDER_OF_MOMENTS.index(q.moment))):
            if quote.game_id != game.game_id or quote.known_at > self.moment or quote.quoted_at > game.start_at:
                continue
            odds = [quote.odds_home, quote.odds_draw if self.league.outcomes == 3 else float("inf"), quote.odds_away]
            if None not in odds:
                inverse = [1 / float(price or nan) for price in odds]
                chance = (inverse[0] / sum(inverse), inverse[1] / sum(inverse), inverse[2] / sum(inverse))
                chances[quote.book].append(chance)
            if quote.spread_line is not None:
                spreads[quote.book].append(quote.spread_line)
            if quote.total_line is not None:
                totals[quote.book].append(quote.total_line)
            if quote.odds_over is not None and quote.odds_under is not None:
                overs[quote.book].append(1 / quote.odds_over / (1 / quote.odds_over + 1 / quote.odds_under))

        def chosen(shown: dict[str, list[Any]]) -> list[Any]:
            return [one[0] if first else one[-1] for one in shown.values() if len(one) > 1 or not again]

        return Market(
            *(mean([chance[side] for chance in chosen(chances)]) for side in range(3)),
            spread=mean(chosen(spreads)),
            total=mean(chosen(totals)),
            over=mean(chosen(overs)),
        )

    def ratings(self, shift_of: Callable[[Finished, float, float], float], drift: float) -> "Ratings":
        """Play every game once more; ``shift_of`` says how many points pass from the away team to the home team."""
        points: dict[str, float] = {}
        edge = self.rules.home_edge
        for number, finished in enumerate(self.finished):
            game = finished.game
            home, away = (self._carried(points, team, game.season, number) for team in (game.home_team, game.away_team))
            shift = shift_of(finished, home - away + (0 if game.neutral else edge), edge)
            points |= {game.home_team: home + shift, game.away_team: away - shift}
            edge += 0 if game.neutral else drift * shift
        return Ratings(self, points, edge)

    def _carried(self, points: dict[str, float], team: str, season: int, games_before: int) -> float:
        """A team's points as it enters a game: a summer pulls them to the middle, newcomers start below it."""
        if team not in points:
            return MIDDLE - (self.rules.newcomer if games_before else 0)
        return MIDDLE + (points[team] - MIDDLE) * self._carry(team, season, games_before)

    def _carry(self, team: str, season: int, games_before: int) -> float:
        """1 within a season, the share that survives between two; by the team's last game before the one asked for."""
        own = [item for item in self.finished[:games_before] if team in (item.game.home_team, item.game.away_team)]
        return 1.0 if own and own[-1].game.season == season else self.rules.carry

    def elo_shift(self, finished: Finished, gap: float, _edge: float) -> float:
        """Elo; a win by more counts more, by its logarithm, and less when the favourite did it."""
        margin = finished.home_score - finished.away_score
        lead = gap * sign(margin) if margin else abs(gap)
        weight = log(1 + max(abs(margin), 1)) * 2.2 / (2.2 + lead / 1000)
        return self.rules.k * weight * (share(margin) - expected_share(gap))

    def price_shift(self, finished: Finished, gap: float, _edge: float) -> float:
        """A fixed share of the way to the gap that the closing price meant, half of it for each team."""
        market = self.market(finished.game)
        chance = market.home + market.draw / 2
        if chance != chance:
            return 0.0
        chance = min(max(chance, 0.01), 0.99)
        meant = POINTS_PER_TEN_TO_ONE * (log(chance) - log(1 - chance)) / log(10)
        return self.rules.price_rate / 2 * (meant - gap)

    def own_games(self, team: str) -> list[Finished]:
        return [item for item in self.finished if team in (item.game.home_team, item.game.away_team)]

    def form(self, team: str, season: int) -> float:
        """Share of points won, each game a fifth; half a point in the middle, to which a summer pulls."""
        value, last = 0.5, None
        for finished in self.own_games(team):
            value = self._over_the_summer(value, 0.5, last, finished.game.season)
            own = next(made - allowed for name, made, allowed in finished.sides if name == team)
            value, last = 0.8 * value + 0.2 * share(own), finished.game.season
        return self._over_the_summer(value, 0.5, last, season)

    def surprise(self, team: str, season: int) -> float:
        """How much better than Elo expected, at the fast speed."""
        surprises: dict[str, list[tuple[int, float]]] = defaultdict(list)

        def note(finished: Finished, gap: float, edge: float) -> float:
            more = share(finished.home_score - finished.away_score) - expected_share(gap)
            surprises[finished.game.home_team].append((finished.game.season, more))
            surprises[finished.game.away_team].append((finished.game.season, -more))
            return self.elo_shift(finished, gap, edge)

        self.ratings(note, drift=0.05)
        value, last = 0.0, None
        for played_in, more in surprises[team]:
            value = self._over_the_summer(value, 0.0, last, played_in)
            value, last = (1 - self.rules.fast) * value + self.rules.fast * more, played_in
        return self._over_the_summer(value, 0.0, last, season)

    def _over_the_summer(self, value: float, middle: float, last: int | None, season: int) -> float:
        return value if last in (None, season) else middle + self.rules.carry * (value - middle)

    def scores(self, finished: Finished) -> Pair:
        return float(finished.home_score), float(finished.away_score)

    def prices(self, finished: Finished) -> Pair:
        """The scores that the closing price expected; (nan, nan) where there was none."""
        if finished not in self.priced:
            self.priced[finished] = self._priced(finished)
        return self.priced[finished]

    def _priced(self, finished: Finished) -> Pair:
        market = self.market(finished.game)
        chance = min(max(market.home + market.draw / 2, 0.01), 0.99)
        if market.home != market.home:
            return nan, nan
        margin = sqrt(2 * pi) / 4 * self.rules.margin_deviation * (log(chance) - log(1 - chance))
        total = market.expected_total(self.rules.total_deviation)
        return (total + margin) / 2, (total - margin) / 2

    def shots(self, finished: Finished) -> Pair:
        return finished.shots if self._counted(finished) else (nan, nan)

    def on_target(self, finished: Finished) -> Pair:
        return finished.on_target if self._counted(finished) else (nan, nan)

    def _counted(self, finished: Finished) -> bool:
        return not any(count != count for count in (*finished.shots, *finished.on_target))

    def means(self, points: Points, games: int) -> Pair:
        """Home and away points per game over the first games: their average, from 500 games on a slow one."""
        averages, number = [0.0, 0.0], 0
        for finished in self.finished[:games]:
            both = points(finished)
            if both[0] != both[0]:
                continue
            number += 1
            weight = max(1 / number, 1 / 500)
            for side in (0, 1):
                averages[side] = (1 - weight) * averages[side] + weight * both[side]
        return (averages[0], averages[1]) if number else (nan, nan)

    def rates(self, points: Points, speed: float) -> dict[str, tuple[float, float, int]]:
        """Attack and defence of each team after its last game, and the season of that."""
        rates: dict[str, tuple[float, float, int]] = {}
        for number, finished in enumerate(self.finished):
            game, made = finished.game, points(finished)
            home_mean, away_mean = self.means(points, number)
            home_attack, home_defence = self.entering_rates(rates, game.home_team, game.season)
            away_attack, away_defence = self.entering_rates(rates, game.away_team, game.season)
            home_more = speed * (made[0] - home_mean - home_attack - away_defence)
            away_more = speed * (made[1] - away_mean - away_attack - home_defence)
            if home_more != home_more:  # nothing known of this game, or no game before it to compare with
                home_more = away_more = 0.0
            rates[game.home_team] = (home_attack + home_more, home_defence + away_more, game.season)
            rates[game.away_team] = (away_attack + away_more, away_defence + home_more, game.season)
        return rates

    def entering_rates(self, rates: dict[str, tuple[float, float, int]], team: str, season: int) -> Pair:
        attack, defence, last = rates.get(team, (0.0, 0.0, season))
        return tuple(self._over_the_summer(value, 0.0, last, season) for value in (attack, defence))

    def expected_points(self, game: GameFact, points: Points, speed: float) -> Pair:
        """What attack, defence and the league's means say about both sides, home advantage included."""
        rates = self.rates(points, speed)
        home_mean, away_mean = self.means(points, len(self.finished))
        home_attack, home_defence = self.entering_rates(rates, game.home_team, game.season)
        away_attack, away_defence = self.entering_rates(rates, game.away_team, game.season)
        return home_mean + home_attack + away_defence, away_mean + away_attack + home_defence

    def margin(self, game: GameFact, points: Points, speed: float) -> float:
        home, away = self.expected_points(game, points, speed)
        home_mean, away_mean = self.means(points, len(self.finished))
        return home - away - (home_mean - away_mean if game.neutral else 0.0)

    def legs(self, team: str, game: GameFact) -> float:
        """Games of the last days, each weighing exp(-days / 5); time never runs backwards."""
        load, before = 0.0, None
        for start in [*(item.game.start_at for item in self.own_games(team)), game.start_at]:
            days = (start - before).total_seconds() / 86_400 if before is not None else 0.0
            load = load * exp(-max(days, 0.0) / 5) + 1
            before = start
        return load - 1

    def road(self, team: str) -> int:
        """Games in a row away from home."""
        count = 0
        for finished in reversed(self.own_games(team)):
            if finished.game.home_team == team and not finished.game.neutral:
                break
            count += 1
        return count

    def day_of_season(self, game: GameFact) -> float:
        """Days since the season's first result; 0 where the season asked for is not the newest one."""
        newest = max((finished.game.season for finished in self.finished), default=0)
        if newest != game.season:
            return 0.0
        first = next(finished.game for finished in self.finished if finished.game.season == newest)
        return (game.start_at - first.start_at).total_seconds() / 86_400

    def rest(self, team: str, game: GameFact) -> float:
        """Days since the start of the team's last game, at most 14."""
        own = self.own_games(team)
        return min((game.start_at - own[-1].game.start_at).total_seconds() / 86_400, 14.0) if own else nan

    def games_of_season(self, team: str, season: int) -> int:
        """Games of this season that the team has played without a game of another one since."""
        count = 0
        for finished in reversed(self.own_games(team)):
            if finished.game.season != season:
                break
            count += 1
        return count

    def row(self, game_id: str) -> dict[str, float]:
        """Every feature of the game by its name."""
        game, market = self.game(game_id), self.market(self.game(game_id))
        opening, moved_to = self.market(game, first=True, again=True), self.market(game, again=True)
        teams, season = (game.home_team, game.away_team), game.season
        rest = [self.rest(team, game) for team in teams]
        form = [self.form(team, season) for team in teams]
        surprise = [self.surprise(team, season) for team in teams]
        has_draw = self.league.outcomes == 3
        return {
            "rating_gap": self.ratings(self.elo_shift, drift=0.05).gap(game),
            "price_rating_gap": self.ratings(self.price_shift, drift=0.02).gap(game),
            "margin_slow": known(self.margin(game, self.scores, self.rules.slow)),
            "margin_fast": known(self.margin(game, self.scores, self.rules.fast)),
            "total_slow": known(sum(self.expected_points(game, self.scores, self.rules.slow))),
            "total_fast": known(sum(self.expected_points(game, self.scores, self.rules.fast))),
            "price_margin": self.margin(game, self.prices, self.rules.price_rate / 2),
            "price_total": sum(self.expected_points(game, self.prices, self.rules.price_rate / 2)),
            "shots_gap": self.margin(game, self.shots, self.rules.slow),
            "target_gap": self.margin(game, self.on_target, self.rules.slow),
            "form_gap": form[0] - form[1],
            "surprise_gap": surprise[0] - surprise[1],
            "home_rest": rest[0],
            "away_rest": rest[1],
            "rest_gap": rest[0] - rest[1],
            "home_back_to_back": float(rest[0] < 1.5) if rest[0] == rest[0] else nan,
            "away_back_to_back": float(rest[1] < 1.5) if rest[1] == rest[1] else nan,
            "load_gap": self.legs(game.home_team, game) - self.legs(game.away_team, game),
            "road_gap": self.road(game.away_team) - self.road(game.home_team),
            "season_day": self.day_of_season(game),
            "season_games": min(self.games_of_season(team, season) for team in teams),
            "experience": min(len(self.own_games(team)) for team in teams),
            "neutral": float(game.neutral),
            "playoff": float(game.playoff),
            "market_log_odds": log(market.home) - log(market.away),
            "market_draw": log(market.draw) - (log(market.home) + log(market.away)) / 2 if has_draw else nan,
            "market_margin": market.spread,
            "market_total": market.expected_total(self.rules.total_deviation),
            "market_move": log(moved_to.home / moved_to.away) - log(opening.home / opening.away),
        }


def known(value: float) -> float:
    """Before a league's first result its teams are expected to score nothing."""
    return 0.0 if value != value else value


class Ratings(NamedTuple):
    oracle: Oracle
    points: dict[str, float]
    edge: float

    def gap(self, game: GameFact) -> float:
        count = len(self.oracle.finished)
        home, away = (
            self.oracle._carried(self.points, team, game.season, count) for team in (game.home_team, game.away_team)
        )
        return home - away + (0 if game.neutral else self.edge)
