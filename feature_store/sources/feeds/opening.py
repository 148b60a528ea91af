"""Feeds as they are configured, ready to be asked."""

from collections.abc import Mapping
from pathlib import Path

import httpx

from core.betting.leagues import Leagues
from core.errors import ConfigurationError
from feature_store.identity.team_aliases import Aliases
from feature_store.sources.feeds.client.call_ledger import CallLedger
from feature_store.sources.feeds.client.polite_client import PoliteClient
from feature_store.sources.feeds.client.raw_answers import RawAnswers
from feature_store.sources.feeds.configuration import FeedConfiguration
from feature_store.sources.feeds.service_feed import JsonFeed


def open_feed(
    name: str,
    configuration: FeedConfiguration,
    leagues: Leagues,
    aliases: Aliases,
    *,
    key: str | None,
    folder: Path,
    session: httpx.Client,
) -> JsonFeed:
    """Return the feed. ``folder`` keeps what feeds remember; without its ``key`` it must not be asked."""
    kind = configuration.kind(name)
    client = PoliteClient(
        name,
        configuration.address or kind.address,
        session,
        CallLedger(folder / name / "calls.json", configuration.calls_per_day),
        RawAnswers(folder / name / "answers", configuration.retain_hours),
        secret_headers=_secret(kind.key_header, key),
        secret_parameters=_secret(kind.key_parameter, key),
        remaining_header=kind.remaining_header,
    )
    return JsonFeed(
        name,
        client,
        leagues,
        configuration.leagues,
        aliases,
        kind.requests,
        configuration.terms,
        configuration.regions,
    )


def require_key(name: str, configuration: FeedConfiguration, key: str | None) -> None:
    """Raise ConfigurationError where the feed needs a key and there is none."""
    setting = configuration.kind(name).key_setting
    if setting and not key:
        raise ConfigurationError(f"{setting.upper()} is not set; {name} needs a key.", variable=setting.upper())


def _secret(place: str, key: str | None) -> Mapping[str, str]:
    return {place: key} if place and key else {}
