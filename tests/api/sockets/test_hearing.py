from api.sockets.hearing import SILENCE_S, Hearing
from schemas.updates import Touched, Update

ADA = [Touched(1, (10, 11))]


def whole() -> Hearing:
    """One that has heard a source, and after whom somebody has looked."""
    hearing = Hearing()
    hearing.hear(Update("wallet-a", 5), 0.0)
    hearing.is_whole = True
    return hearing


def test_at_the_beginning_and_with_every_new_source_something_may_have_been_missed():
    hearing = Hearing()
    assert not hearing.is_whole
    hearing = whole()
    assert hearing.hear(Update("wallet-b", 1, ADA), 1.0) == ADA
    assert not hearing.is_whole


def test_numbers_that_follow_each_other_are_whole():
    hearing = whole()
    for number, touched in ((6, ADA), (6, []), (7, ADA), (7, []), (7, [])):
        assert hearing.hear(Update("wallet-a", number, touched), 1.0) == touched
    assert hearing.is_whole


def test_a_number_that_is_missing_shows_with_the_next_word_even_when_it_is_a_beat():
    for number, touched in ((7, ADA), (6, []), (4, ADA)):
        hearing = whole()
        hearing.hear(Update("wallet-a", number, touched), 1.0)
        assert not hearing.is_whole


def test_a_source_that_falls_silent_is_missed_once():
    hearing = whole()
    hearing.rest(SILENCE_S)
    assert hearing.is_whole
    hearing.rest(SILENCE_S + 0.1)
    assert not hearing.is_whole
    hearing.is_whole = True
    hearing.rest(SILENCE_S + 100)
    assert hearing.is_whole
