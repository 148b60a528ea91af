"""A secret is masked in every spelling that a library gives it, and ordinary text stays as it is."""

import html
import json
import re
from base64 import b64encode
from collections.abc import Callable
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.errors import ExternalServiceError, ResourceNotFoundError
from core.text.redaction import MASK, Redactor, conceal, conceal_environment, credentials_in, redact, words_of

SECRET = "ca#n/a?r@y%w'o\"r d\\é"

SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in an address": lambda text: quote(text, safe=""),
    "in a path": quote,
    "with some signs quoted": lambda text: quote(text, safe="@%"),
    "with lower-case digits": lambda text: re.sub("%..", lambda code: code[0].lower(), quote(text, safe="")),
    "in a form": quote_plus,
    "quoted twice": lambda text: quote(quote(text, safe=""), safe=""),
    "as a literal": lambda text: repr(text)[1:-1],
    "as a literal in ASCII": lambda text: ascii(text)[1:-1],
    "as bytes": lambda text: repr(text.encode())[2:-1],
    "a literal in a literal": lambda text: repr(repr(text))[1:-1],
    "in JSON": lambda text: json.dumps(text)[1:-1],
    "in JSON with other letters": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON in JSON": lambda text: json.dumps(json.dumps(text))[1:-1],
    "in HTML": html.escape,
    "in XML": lambda text: "".join(f"&#{ord(c)};" if not c.isalnum() else c for c in text),
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_a_secret_is_masked_in_every_spelling(spelling: Callable[[str], str]) -> None:
    written = spelling(SECRET)
    assert Redactor([SECRET])(f"cannot use <{written}> here, {written}").count(MASK) == 2
    assert written not in Redactor([SECRET])(f"cannot use <{written}> here")
    assert "ca" not in Redactor([SECRET])(written)


signs = st.characters(min_codepoint=0x20, max_codepoint=0x17F, exclude_characters="\x7f", exclude_categories=["Cc"])


@example(secret="00000_", spelling=SPELLINGS["in XML"])
@given(secret=st.text(signs, min_size=6, max_size=40), spelling=st.sampled_from(list(SPELLINGS.values())))
def test_any_value_is_masked_in_any_spelling(secret: str, spelling: Callable[[str], str]) -> None:
    written = spelling(secret)
    assert MASK in Redactor([secret])(f"<<{written}>>")
    assert written not in Redactor([secret])(f"<<{written}>>").replace(MASK, "")


@given(password=st.text(signs, min_size=4, max_size=30), scheme=st.sampled_from(["mysql+pymysql", "redis", "http"]))
def test_the_password_in_an_address_is_masked_although_no_one_concealed_it(password: str, scheme: str) -> None:
    written = quote(password, safe="")
    text = f"no answer from {scheme}://someone:{written}@host.example:1/db, giving up"
    assert redact(text) == f"no answer from {scheme}://someone:{MASK}@host.example:1/db, giving up"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("mysql://u:a/b#c?d@e@host/db", "mysql://u:***@host/db"),
        ("https://token-of-someone@host/x", "https://***@host/x"),
        ("redis://host/0?password=canary&db=1", "redis://host/0?password=***&db=1"),
        ("http://host/x?a=1&api_key=canary", "http://host/x?a=1&api_key=***"),
        ("cut in its password: mysql://u:cana", "cut in its password: mysql://u:***"),
    ],
)
def test_credentials_in_addresses_are_masked(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:8000/v1/games?q=a:b and more@example",
        "http://[::1]:8000/docs",
        "sqlite:////srv/a:b/dbsbm.db",
        "mysql+pymysql://user:password@host/database",
        "Arsenal v Everton: 2-1 (1-0), ratio=0.5, password=none",
        "see https://a.example:1/ and b@c",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert redact(text) == text


def test_short_words_are_masked_in_addresses_only() -> None:
    short = Redactor(["root", "a", "ab#1"])
    assert short("/root/a ab#1 mysql://u:root@h") == "/root/a *** mysql://u:***@h"


def test_an_address_yields_its_credentials_as_written_and_decoded() -> None:
    address = f"http://u:{quote('p#w?', safe='')}@h/x?{urlencode({'token': 'a b', 'charset': 'utf8mb4'})}"
    assert set(credentials_in(address)) == {"p%23w%3F", "p#w?", b64encode(b"u:p#w?").decode(), "a+b", "a b"}
    assert set(credentials_in("mysql://u:a/b#c@h")) >= {"a/b#c"}


def test_the_environment_of_libraries_is_concealed_by_name_and_by_address() -> None:
    conceal_environment(
        {
            "MLFLOW_TRACKING_PASSWORD": "canary-mlflow",
            "prefect_api_key": "canary-prefect",
            "PREFECT_API_URL": "http://u:canary-address@h/api",
            "PWD": "/srv/canary-folder",
            "LANG": "canary-language",
            "EMPTY_TOKEN": None,
        }
    )
    text = "canary-mlflow canary-prefect canary-address /srv/canary-folder canary-language"
    assert redact(text) == "*** *** *** /srv/canary-folder canary-language"


def test_an_error_holds_no_secret_but_repeats_its_caller() -> None:
    conceal("canary-error")
    assert str(ExternalServiceError("said: canary-error", hint="canary-error")) == "said: *** ***"
    assert str(ResourceNotFoundError("There is no team 'canary-error'.")) == "There is no team 'canary-error'."


def test_the_words_of_an_error_are_redacted_before_they_are_cut() -> None:
    conceal("canary-that-is-long")
    assert words_of(ValueError("failed with canary-that-is-long\nmore"), limit=20) == "failed with ***"
    assert words_of(ValueError()) == "ValueError"
    assert words_of(ValueError("\n")) == "ValueError"
