"""Feeds as they are configured, ready to be asked."""

from collections.abc import Mapping
from pathlib import Path

import httpx

from core.betting.leagues import Leagues
from core.errors import ConfigurationError
from feature_store.sources.feeds.client.call_ledger import CallLedger
from feature_store.sources.feeds.client.polite_client import PoliteClient
from feature_store.sources.feeds.client.raw_answers import RawAnswers
from feature_store.sources.feeds.configuration import FeedConfiguration
from feature_store.sources.feeds.event_reader import EventReading
from feature_store.sources.feeds.service_feed import FeedPlan, ServiceFeed, plan_of


def feed_plan(name: str, configuration: FeedConfiguration, leagues: Leagues) -> FeedPlan:
    """Return what a look at the feed asks."""
    return plan_of(leagues, configuration.leagues, configuration.kind(name).requests, configuration.regions)


def feed_ledger(name: str, configuration: FeedConfiguration, folder: Path) -> CallLedger:
    """Return the feed's budget and pauses; ``folder`` keeps what feeds remember."""
    return CallLedger(folder / name / "calls.json", configuration.calls_per_day)


def open_feed(
    configuration: FeedConfiguration,
    leagues: Leagues,
    shared: EventReading,
    *,
    key: str | None,
    folder: Path,
    session: httpx.Client,
) -> ServiceFeed:
    """Return the feed. Raises ConfigurationError where it needs a key and there is none."""
    name = shared.feed
    kind = configuration.kind(name)
    if setting := missing_setting(name, configuration, key):
        raise ConfigurationError(f"{setting} is not set; {name} needs a key.", variable=setting)
    client = PoliteClient(
        name,
        configuration.address or kind.address,
        session,
        feed_ledger(name, configuration, folder),
        RawAnswers(folder / name / "answers", configuration.retain_hours),
        secret_headers=_secret(kind.key_header, key),
        secret_parameters=_secret(kind.key_parameter, key),
        remaining_header=kind.remaining_header,
        minute_header=kind.minute_header,
    )
    return ServiceFeed(feed_plan(name, configuration, leagues), client, shared, configuration.terms)


def missing_setting(name: str, configuration: FeedConfiguration, key: str | None) -> str:
    """Return the variable of the key that the feed needs and does not have; empty if it can be asked."""
    return "" if key else configuration.kind(name).key_setting.upper()


def _secret(place: str, key: str | None) -> Mapping[str, str]:
    return {place: key} if place and key else {}
