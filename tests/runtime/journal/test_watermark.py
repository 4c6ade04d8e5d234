import pytest

from runtime.journal.errors import Broken
from runtime.journal.watermark import Arrival, Mark, Verdict, check_bounds, judge, resume_at

MARK = Mark(seq=5, source_offset=40, chain="c5", position=17)


@pytest.mark.parametrize(
    ("seq", "source", "prev", "chain", "verdict"),
    [
        (6, 41, "c5", "c6", Verdict.NEW),
        (6, 40, "c5", "c6", Verdict.NEW),
        (5, 40, "c4", "c5", Verdict.REPEAT),
        (1, 2, "c0", "c1", Verdict.REPEAT),
        (7, 42, "c6", "c7", "seq 6 is missing in Kafka: after 5 comes 7"),
        (6, 41, "d5", "c6", "the chain parts at seq 6: here c5, in Kafka d5"),
        (5, 40, "c4", "d5", "seq 5 was told differently: here c5, in Kafka d5"),
        (5, 39, "c4", "c5", "seq 5 was told differently"),
        (6, 39, "c5", "c6", "seq 6 answers offset 39, before 40"),
    ],
)
def test_a_record_is_new_a_repeat_or_the_proof_that_kafka_and_the_store_have_parted(seq, source, prev, chain, verdict):
    arrival = Arrival("M", seq, source, prev, chain, 30)
    if isinstance(verdict, Verdict):
        assert judge(MARK, arrival) is verdict
    else:
        with pytest.raises(Broken, match=verdict):
            judge(MARK, arrival)


def test_a_sink_goes_on_behind_the_last_record_that_it_applied():
    assert resume_at({}, 3) == 3
    assert resume_at({"M": MARK, "N": Mark(1, 1, "x", 9)}, 0) == 18


def test_a_store_that_kafka_cannot_continue_is_refused_with_what_mends_it():
    check_bounds("executions/3", 18, 0, 18, "tidemark recover books")
    with pytest.raises(Broken, match=r"Kafka ends at 17: records were lost there\. tidemark recover books"):
        check_bounds("executions/3", 18, 0, 17, "tidemark recover books")
    with pytest.raises(Broken, match="Kafka begins at 19: records were deleted"):
        check_bounds("executions/3", 18, 19, 30, "tidemark recover books")
