"""Pages of the `sports-betting` library's sources, fetched with time limits and with errors of ``core.errors``.

The library says which seasons there are and at which URLs; it has no time limits to set, so it fetches nothing.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from core.errors import ExternalServiceError, NetworkError, OperationTimeoutError

TIME_LIMIT: Final = httpx.Timeout(30, connect=10)


def library_sources() -> Any:
    """The library's module of sources. Raises ExternalServiceError when it is not installed."""
    try:
        import sportsbet.sources
    except ModuleNotFoundError as error:
        msg = "The package sports-betting, which lists the sources, is not installed."
        raise ExternalServiceError(msg, hint="Install the extra `demo`.") from error
    return sportsbet.sources


def read_seasons(name: str, source: Any, pages: Sequence[Any]) -> list[dict[str, Any]]:
    """The seasons that the source's pages list, as the library reads them. Raises ExternalServiceError."""
    try:
        seasons: list[dict[str, Any]] = source.read_catalogue(pages)
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        msg = f"{name}: the list of seasons cannot be read."
        raise ExternalServiceError(
            msg, hint="The site may have changed; a newer version of sports-betting may read it."
        ) from error
    if not seasons:
        raise ExternalServiceError(f"{name}: the page at {urlsplit(pages[0].item.url).path} lists no seasons.")
    return seasons


@contextmanager
def open_client() -> Iterator[httpx.Client]:
    """An HTTP client that raises errors of ``core.errors`` with the server's name in them."""
    try:
        with httpx.Client(timeout=TIME_LIMIT, follow_redirects=True) as session:
            yield session
    except httpx.HTTPStatusError as error:
        where, status = error.request.url, error.response.status_code
        raise ExternalServiceError(f"{where} answered with status {status}.", status=status) from error
    except httpx.TimeoutException as error:
        raise OperationTimeoutError(f"{error.request.url} did not answer in time.", hint="Try again later.") from error
    except httpx.HTTPError as error:
        raise NetworkError(f"{error.request.url} cannot be reached: {type(error).__name__}.") from error


def fetch_page(session: httpx.Client, url: str, address: str | None) -> bytes:
    """The content at the URL, or at the same path and query of another server."""
    parts = urlsplit(url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    response = session.get(f"{address.rstrip('/')}{path}" if address else url)
    response.raise_for_status()
    return response.content
