from agents.settlement.desk.patience import FAILURES, LONGEST_MS, OPEN_MS, Breaker, pause_ms


def test_pauses_double_between_half_and_whole_up_to_a_bound():
    assert [pause_ms(attempt, 0) for attempt in range(4)] == [100, 200, 400, 800]
    assert pause_ms(3, 999) in range(1_590, 1_601)
    assert pause_ms(60, 999) <= LONGEST_MS


def test_a_breaker_opens_after_failures_in_a_row_and_lets_one_probe_through():
    breaker = Breaker()
    for _ in range(FAILURES):
        assert breaker.allows(0)
        breaker.failed(0)
    assert not breaker.allows(OPEN_MS - 1)
    assert [breaker.allows(OPEN_MS), breaker.allows(OPEN_MS)] == [True, False]
    breaker.succeeded()
    assert breaker.allows(OPEN_MS)
