"""Requests to a service that counts them: within a budget, conditional, with pauses after failures, and bounded.

Errors name the service and the path, never the query or a header, which may hold a key.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple
from urllib.parse import urlencode

import httpx

from core.errors import (
    AuthenticationError,
    DbsbmError,
    DependencyError,
    ExternalServiceError,
    NetworkError,
    OperationTimeoutError,
)
from feature_store.sources.feeds.client.call_ledger import AnswerVersion, CallLedger
from feature_store.sources.feeds.client.raw_answers import RawAnswers

TIME_LIMIT: Final = httpx.Timeout(20, connect=5)
LARGEST_ANSWER: Final = 64 * 2**20
"""Limit of an answer after decompression [bytes]."""
REFUSED_PAUSE: Final = timedelta(hours=1)
"""After a refused key: asking again sooner changes nothing and may get the account blocked."""
MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True)
class FetchedAnswer:
    """A service's answer to a request."""

    content: bytes
    unchanged: bool
    """Whether the service replied that its last answer still holds; ``content`` is that one."""
    modified: datetime | None = None
    """When the content was last changed, by the service; None if it does not say."""


class PoliteClient:
    """The HTTP side of one feed."""

    def __init__(
        self,
        name: str,
        address: str,
        session: httpx.Client,
        ledger: CallLedger,
        answers: RawAnswers,
        *,
        secret_headers: Mapping[str, str] | None = None,
        secret_parameters: Mapping[str, str] | None = None,
        remaining_header: str = "",
        minute_header: str = "",
    ) -> None:
        """``remaining_header`` and ``minute_header`` name those with the calls left, by the service's own count, of the
        day or month and of the minute."""
        self._name = name
        self._address = address.rstrip("/")
        self._session = session
        self._answers = answers
        self._secret_headers = dict(secret_headers or {})
        self._secret_parameters = dict(secret_parameters or {})
        self._remaining_header = remaining_header
        self._minute_header = minute_header
        self.ledger = ledger

    def get(self, path: str, parameters: Mapping[str, str], now: datetime, *, calls: int = 1) -> FetchedAnswer:
        """Return the answer to a request that counts as so many calls.

        Raises RateLimitError before asking when budget or pause do not allow it; AuthenticationError for a refused
        key; ExternalServiceError for an answer that is no answer, also for "too many requests"; NetworkError and
        OperationTimeoutError without one.
        """
        request = _request(path, parameters)
        version = self.ledger.version(request)
        stored = self._answers.newest(request) if version is not None else None
        self.ledger.spend(calls, now)
        try:
            reply = self._send(path, parameters, version if stored is not None else None)
            content = self._content(path, reply, stored)
        except (DependencyError, AuthenticationError) as error:
            if error.facts.get("status") != httpx.codes.NOT_FOUND:
                # What is not there, such as the file of a season that has not begun, says nothing of the other paths.
                self.ledger.note_failure(now, _pause(error, now))
            raise
        unchanged = reply.status == httpx.codes.NOT_MODIFIED
        if not unchanged:
            self._answers.keep(request, content, now)
            version = _version(reply)
        self.ledger.note_answer(
            now,
            _whole(reply.headers.get(self._remaining_header)),
            version=None if unchanged or version is None else (request, version),
            pause=MINUTE if _whole(reply.headers.get(self._minute_header)) == 0 else timedelta(0),
        )
        return FetchedAnswer(content, unchanged, _moment(version.last_modified if version is not None else ""))

    def reject(self, path: str, parameters: Mapping[str, str], error: DbsbmError, now: datetime) -> None:
        """Note that an answer to the request cannot be used: it is asked for in full the next time.

        A refused key, and an error with ``retry_after``, is one that the service hid in a good answer: it pauses.
        """
        self.ledger.forget_version(_request(path, parameters), now)
        if isinstance(error, AuthenticationError) or "retry_after" in error.facts:
            self.ledger.note_failure(now, _pause(error, now))

    def forget_old_answers(self, now: datetime) -> int:
        """Delete the stored answers that the terms no longer allow; returns how many."""
        return self._answers.prune(now)

    def _send(self, path: str, parameters: Mapping[str, str], version: AnswerVersion | None) -> "_Reply":
        headers = {"accept-encoding": "gzip", **self._secret_headers}
        if version is not None and version.etag:
            headers["if-none-match"] = version.etag
        if version is not None and version.last_modified:
            headers["if-modified-since"] = version.last_modified
        query = {**parameters, **self._secret_parameters}
        try:
            with self._session.stream("GET", self._address + path, params=query, headers=headers) as response:
                return _Reply(response.status_code, response.headers, _read(response, f"{self._name} {path}"))
        except httpx.TimeoutException:
            raise OperationTimeoutError(f"{self._name} {path} did not answer in time.") from None
        except httpx.HTTPError as error:
            # Not chained: httpx's own message may hold the whole address.
            raise NetworkError(f"{self._name} {path} cannot be reached: {type(error).__name__}.") from None

    def _content(self, path: str, reply: "_Reply", stored: bytes | None) -> bytes:
        """Return the reply's content, or the stored one if that still holds. Raises what ``get`` raises."""
        status, what = reply.status, f"{self._name} {path}"
        if status == httpx.codes.NOT_MODIFIED and stored is not None:
            return stored
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise AuthenticationError(f"{what}: the key was refused (status {status}).", hint="Check the feed's key.")
        if status == httpx.codes.TOO_MANY_REQUESTS:
            wait = reply.headers.get("retry-after", "")
            raise ExternalServiceError(f"{what}: too many requests.", status=status, retry_after=wait)
        if status != httpx.codes.OK:
            raise ExternalServiceError(f"{what} answered with status {status}.", status=status)
        if not reply.content.strip():
            raise ExternalServiceError(f"{what}: the answer is empty.", status=status)
        if reply.content.lstrip()[:1] == b"<":
            raise ExternalServiceError(f"{what}: the answer is a page for people (HTML).", status=status)
        return reply.content


class _Reply(NamedTuple):
    """A response that was read to its end."""

    status: int
    headers: Mapping[str, str]
    content: bytes


def _read(response: httpx.Response, what: str) -> bytes:
    """Return the body. Raises ExternalServiceError for one that is too large."""
    parts, size = [], 0
    for part in response.iter_bytes():
        size += len(part)
        if size > LARGEST_ANSWER:
            raise ExternalServiceError(f"{what}: the answer is larger than {LARGEST_ANSWER // 2**20} MiB.")
        parts.append(part)
    return b"".join(parts)


def _version(reply: _Reply) -> AnswerVersion:
    return AnswerVersion(etag=reply.headers.get("etag", ""), last_modified=reply.headers.get("last-modified", ""))


def _request(path: str, parameters: Mapping[str, str]) -> str:
    """The request's name in the ledger and in the folder of answers; it holds no secret."""
    return f"{path}?{urlencode(sorted(parameters.items()))}" if parameters else path


def _pause(error: DbsbmError, now: datetime) -> timedelta | None:
    """The pause that the service asked for: seconds or a date (RFC 9110, 10.2.3); None if it asked for none."""
    if isinstance(error, AuthenticationError):
        return REFUSED_PAUSE
    wait = str(error.facts.get("retry_after", "")).strip()
    if wait.isdecimal():
        return timedelta(seconds=min(int(wait), 86_400))
    until = _moment(wait)
    return None if until is None else max(until - now, timedelta(0))


def _moment(text: str) -> datetime | None:
    """A moment of an HTTP header; None for other text."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.strip().isdecimal() else None
