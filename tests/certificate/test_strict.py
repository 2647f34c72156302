"""The strict reader takes JSON that can be read in one way, and its canonical form is that of RFC 8785."""

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from wipe_agent.certificate import Unreadable, canonical, read
from wipe_agent.certificate.strict import MAX_INTEGER, canonical_forms, read_signed

_integers = st.integers(min_value=-MAX_INTEGER, max_value=MAX_INTEGER)
_any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_names = st.text(st.characters(max_codepoint=0x7E, min_codepoint=0x20), max_size=8)
_values = st.recursive(
    st.none() | st.booleans() | _integers | _any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_names, inner, max_size=4),
    max_leaves=20,
)
documents = st.dictionaries(_names, _values, max_size=5)
_spaces = st.sampled_from(["", "", " ", "\n", "\t", "\r\n  "])


@given(documents)
def test_the_canonical_form_is_that_of_rfc_8785(document: dict[str, Any]) -> None:
    assert canonical(document) == rfc8785.dumps(document)


@given(documents)
def test_the_two_canonical_forms_differ_by_the_proof_alone(document: dict[str, Any]) -> None:
    unsigned, signed = canonical_forms(document)
    assert signed == rfc8785.dumps(document)
    assert unsigned == rfc8785.dumps({name: value for name, value in document.items() if name != "proof"})
    unsigned, signed = canonical_forms({**document, "proof": {"proofValue": "z"}})
    assert signed == rfc8785.dumps({**document, "proof": {"proofValue": "z"}})
    assert unsigned == rfc8785.dumps({name: value for name, value in document.items() if name != "proof"})


@pytest.mark.parametrize(
    "document",
    [
        {"proof": 1},
        {"a": 1, "proof": {"b": 2}},
        {"proof": [1], "z": 1},
        {"a": {"proof": {"b": 2}}, "proof": {"b": 2}},
        {"proof": {"b": 2}, "z": [{"proof": {"b": 2}}]},
        {"a": {"proof": 12}, "proof": 1, "z": 0},
        {"a": {"proof": None}, "z": 1},
        {"a": '"proof":1', "proof": 1},
    ],
)
def test_the_document_s_own_proof_is_left_out_and_no_other(document: dict[str, Any]) -> None:
    rest = {name: value for name, value in document.items() if name != "proof"}
    assert canonical_forms(document) == (rfc8785.dumps(rest), rfc8785.dumps(document))


@given(st.data())
def test_a_member_that_stands_twice_is_always_found_and_others_are_read(data: st.DataObject) -> None:
    """Written by hand with free spacing and escapes; the reader must see what was written."""
    pairs = data.draw(st.lists(st.tuples(st.sampled_from(["a", "b", "ab", ":", 'q"', "proof"]), _simple), max_size=5))
    space = lambda: data.draw(_spaces)  # noqa: E731 - as short as what it stands for
    members = ",".join(
        f"{space()}{_written(name, data.draw(st.booleans()))}{space()}:{space()}{json.dumps(value)}{space()}"
        for name, value in pairs
    )
    written = f'{{"outer":{{{members}}}}}'.encode()
    if len({name for name, _ in pairs}) < len(pairs):
        for reader in (read, read_signed):
            with pytest.raises(Unreadable, match="twice"):
                reader(written)
    else:
        assert read(written) == {"outer": dict(pairs)} == read_signed(written)[0]


_simple = st.sampled_from([0, 1, -7, True, None, "x", ":", " :", '":', [], {}, [":"], {"a": 1}])


def _written(name: str, escaped: bool) -> str:
    return '"' + "".join(f"\\u{ord(letter):04x}" for letter in name) + '"' if escaped else json.dumps(name)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON"),
        (b"null", "not a JSON object"),
        (b'"text"', "not a JSON object"),
        (b"{} {}", "not JSON"),
        (b"{'a':1}", "not JSON"),
        (b'{"a":1,}', "not JSON"),
        (b'{"a":01}', "not JSON"),
        (b'{"a":+1}', "not JSON"),
        (b'{"a":1.0}', "whole numbers"),
        (b'{"a":1e2}', "whole numbers"),
        (b'{"a":-0}', "-0"),
        (b'{"a":-0.0}', "whole numbers"),
        (b'{"a":9007199254740992}', "2\\^53"),
        (b'{"a":-9007199254740992}', "2\\^53"),
        (b'{"a":' + b"9" * 5_000 + b"}", "2\\^53"),
        (b'{"a":NaN}', "not JSON"),
        (b'{"a":Infinity}', "not JSON"),
        (b'{"a":-Infinity}', "not JSON"),
        (b'\xef\xbb\xbf{"a":1}', "byte order mark"),
        (b'{"a":"\xff"}', "not UTF-8"),
        (b'{"a":"\xc0\xaf"}', "not UTF-8"),
        (b'{"a":"\xed\xa0\x80"}', "not UTF-8"),
        (b'{"a":"\\ud800"}', "surrogate"),
        (b'{"\\udfff":1}', "Names are ASCII"),
        (b'{"a":"\\ud800\\u0041"}', "surrogate"),
        (b'{"a":"\\u0000"}', "control character"),
        (b'{"a":"\\n"}', "control character"),
        (b'{"a":"\n"}', "not JSON"),
        (b'{"a":"\x7f"}', "control character"),
        (b'{"a":"\xc2\x9b31m"}', "control character"),
        ('{"a":"\u2028"}'.encode(), "control character"),
        ('{"a":"\u202e"}'.encode(), "control character"),
        ('{"é":1}'.encode(), "Names are ASCII"),
        (b'{"\\u00e9":1}', "Names are ASCII"),
        (b'{"a":' + b"[" * 15 + b"]" * 15 + b"}", None),
        (b'{"a":' + b"[" * 16 + b"]" * 16 + b"}", "deeper than 16"),
        (b'{"a":' + b'{"a":' * 15 + b"1" + b"}" * 15 + b"}", None),
        (b'{"a":' + b'{"a":' * 16 + b"1" + b"}" * 16 + b"}", "deeper than 16"),
        (b'{"a":' + b"[" * 32_000 + b"]" * 32_000 + b"}", "deeper than 16"),
        (b'{"a":[' + b"0," * 4_093 + b"0]}", None),
        (b'{"a":[' + b"0," * 4_094 + b"0]}", "4096 values"),
        (b'{"a":"' + b"x" * 65_528 + b'"}', None),
        (b'{"a":"' + b"x" * 65_529 + b'"}', "65536 are not read"),
    ],
)
def test_what_is_refused_is_refused_with_its_reason(data: bytes, reason: str | None) -> None:
    if reason is None:
        read(data)
        return
    with pytest.raises(Unreadable, match=reason) as refusal:
        read(data, what="work order")
    assert str(refusal.value).startswith("The work order ")


@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_bytes_make_the_reader_fail_otherwise(data: bytes) -> None:
    try:
        document = read(data)
    except Unreadable:
        return
    assert json.loads(data) == document


def test_brackets_inside_text_are_text() -> None:
    assert read(b'{"a":"]]]][[[[{{{{"}') == {"a": "]]]][[[[{{{{"}
    assert read(b'{"a":"' + b"[" * 100 + b'"}') == {"a": "[" * 100}


def test_letters_of_any_script_are_read_in_values() -> None:
    assert read('{"a":"硬盘 Größe 🙂"}'.encode()) == {"a": "硬盘 Größe 🙂"}
    assert read(b'{"a":"\\ud83d\\ude42"}') == {"a": "🙂"}
