"""Signatures: only the same key, purpose and content verify."""

import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigurationError
from core.settings import load_settings
from core.signing import Signer, signer


@given(content=st.binary(), other=st.binary())
def test_a_signature_verifies_its_own_content_and_no_other(content, other):
    ours = Signer(b"k" * 32, "bundle")
    assert ours.verifies(content, ours.sign(content))
    assert ours.verifies(other, ours.sign(content)) == (other == content)


def test_another_key_or_another_purpose_gives_another_signature():
    said = {Signer(key * 32, purpose).sign(b"x") for key in (b"a", b"b") for purpose in ("bundle", "cache")}
    assert len(said) == 4


def test_a_signature_that_is_no_signature_does_not_verify():
    assert not Signer(b"k" * 32, "bundle").verifies(b"x", "é" * 64)


def test_the_signature_is_hmac_sha256_of_a_key_derived_by_hkdf_expand():
    # Computed by hand with hmac.new(hmac.new(secret, purpose + b"\x01"), content).
    assert Signer(b"0123456789abcdef", "cache").sign(b"body") == (
        "2465cd80c802901776bc437b351e32a00716f957f1ce5c399de53a137130f73c"
    )


def test_development_makes_one_key_that_only_its_owner_may_read(tmp_path):
    settings = load_settings(bundle_dir=tmp_path / "bundles")
    with ThreadPoolExecutor(8) as pool:
        signatures = set(pool.map(lambda _: signer(settings, "bundle").sign(b"x"), range(32)))
    assert len(signatures) == 1
    assert stat.S_IMODE((tmp_path / "signing.key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["signing.key"]


def test_production_demands_a_key(tmp_path):
    with pytest.raises(ConfigurationError, match="SIGNING_KEY is not set") as caught:
        signer(load_settings(dbsbm_env="production", bundle_dir=tmp_path), "bundle")
    assert not list(tmp_path.iterdir())
    assert "openssl" in caught.value.hint


def test_a_short_key_is_refused_without_being_shown():
    with pytest.raises(ConfigurationError, match="at least 16") as caught:
        signer(load_settings(signing_key="tooshortkey"), "bundle")
    assert "tooshortkey" not in str(caught.value)
