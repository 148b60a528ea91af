"""An address that libraries would read differently is refused without a word of it; a quoted one is understood by all."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.connection import parse_url
from requests.utils import get_auth_from_url
from sqlalchemy.engine import make_url

from core.text.addresses import check_address, shown

SCHEMES = ("mysql+pymysql", "redis", "http")
passwords = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=30)


@given(password=passwords)
def test_a_quoted_password_is_accepted_and_read_alike_by_every_library(password: str) -> None:
    written = quote(password, safe="")
    for scheme in SCHEMES:
        check_address(f"{scheme}://u:{written}@host:123/0", SCHEMES, "example")
    assert make_url(f"mysql+pymysql://u:{written}@host:123/0").password == password
    assert parse_url(f"redis://u:{written}@host:123/0")["password"] == password
    assert get_auth_from_url(f"http://u:{written}@host:123/0")[1] == password


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("sign", ["#", "/", "?", "@", "%", " ", "[", "\t"])
@pytest.mark.parametrize("around", ["canary{}word", "{}anary-canary", "canary{}", "12{}canary", "{0}{0}canary"])
def test_an_unquoted_sign_is_refused_and_nothing_is_shown(scheme: str, sign: str, around: str) -> None:
    password = around.format(sign)
    with pytest.raises(ValueError, match="expected an address such as example") as refused:
        check_address(f"{scheme}://u:{password}@host:123/0", SCHEMES, "example")
    assert "canary" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize(
    "address",
    [
        "mysql+pymysql://root@/ours?unix_socket=/run/mysqld/mysqld.sock",
        "mysql+pymysql://u:p:w@host/db?charset=utf8mb4",
        "mysql+pymysql://[2001:db8::1]:3306/db",
        "redis://host",
        "http://host:5000",
        "mysql+pymysql://u%40realm:p@host/db",
    ],
)
def test_what_means_one_thing_is_accepted(address: str) -> None:
    check_address(address, SCHEMES, "example")


@pytest.mark.parametrize("address", ["", "host:6379", "ftp://host", "http://", "http://host:port", "http://h:99999"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="expected an address"):
        check_address(address, SCHEMES, "example")


def test_a_file_may_have_any_name() -> None:
    check_address("sqlite:////srv/feature%2Fodds/a#b@c.db", ("sqlite",), "example")


def test_an_address_is_shown_without_password_and_parameters() -> None:
    address = make_url("mysql+pymysql://u:canary@host:1/db?password=canary&charset=utf8mb4")
    assert shown(address) == "mysql+pymysql://u:***@host:1/db"
