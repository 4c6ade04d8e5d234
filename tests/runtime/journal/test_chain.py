import hashlib

import pytest

from runtime.journal.chain import ORIGIN, Sealed, link, seal, unseal
from runtime.journal.errors import Broken


def test_a_sealed_record_names_the_one_before_it_and_is_still_one_json_object():
    chain = hashlib.sha256(ORIGIN.encode() + b'{"seq":1}').hexdigest()[:32]
    value = b'{"seq":1,"prev_chain":"%b","chain":"%b"}' % (ORIGIN.encode(), chain.encode())
    assert seal(b'{"seq":1}', ORIGIN) == (value, chain)
    assert unseal(value) == Sealed(b'{"seq":1}', ORIGIN, chain)
    assert link(ORIGIN, b'{"seq":1}') == chain


def test_a_changed_byte_a_changed_link_and_a_missing_chain_are_all_noticed():
    value, _ = seal(b'{"seq":1,"text":"a"}', ORIGIN)
    for wrong in (
        value.replace(b'"a"', b'"b"'),
        value.replace(b'prev_chain":"0', b'prev_chain":"1'),
        value[:-1],
        b"",
        b"{}",
    ):
        with pytest.raises(Broken):
            unseal(wrong)


def test_a_text_that_looks_like_a_chain_does_not_deceive():
    body = b'{"text":",\\"prev_chain\\":\\"0\\""}'
    value, chain = seal(body, ORIGIN)
    assert unseal(value) == Sealed(body, ORIGIN, chain)
