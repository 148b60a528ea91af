"""A sealed value is accepted under its own name only, whatever signs names and bodies contain."""

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from core.signing import Signer
from serving.backends.sealed_values import seal, seal_document, unseal, unseal_document

OURS = Signer(b"our secret, long enough", "cache")
signs = st.text(st.sampled_from("a:1\n0\x00é"), max_size=8)


class Note(BaseModel):
    text: str


@given(signs, signs, signs, signs)
def test_no_other_name_and_body_have_the_same_signature(name: str, body: str, other: str, rest: str) -> None:
    value = seal(OURS, name, body.encode())
    assert unseal(OURS, name, value) == body.encode()
    copied = value[:64] + b"\n" + rest.encode()
    if (other, rest) != (name, body):
        assert unseal(OURS, other, copied) is None


def test_a_value_signed_for_an_id_with_a_line_break_is_no_value_of_another_game() -> None:
    """With write access to Redis, the body of one game could be stored under the key of another."""
    victim, stolen = "dbsbm:p5:m:soccer/EPL/G1", b'{"probabilities":{"home":0.99}}'
    value = seal(OURS, f"{victim}\n{stolen.decode()}", b"")
    forged = value[:64] + b"\n" + stolen + b"\n"
    assert unseal(OURS, victim, forged) is None
    assert unseal(OURS, victim, value[:64] + b"\n" + stolen) is None


def test_documents_of_an_earlier_version_are_read_and_its_cached_bodies_are_not() -> None:
    body = Note(text="kept").model_dump_json().encode()
    former = OURS.sign(b"slate/EPL\n" + body).encode() + b"\n" + body
    assert unseal_document(OURS, "slate/EPL", former, Note) == Note(text="kept")
    assert unseal_document(OURS, "slate/NHL", former, Note) is None
    assert unseal(OURS, "slate/EPL", former) is None
    broken = OURS.sign(b"a\nb\n" + body).encode() + b"\n" + body
    assert unseal_document(OURS, "a\nb", broken, Note) is None
    assert unseal_document(OURS, "a\nb", seal_document(OURS, "a\nb", Note(text="x")), Note) == Note(text="x")
