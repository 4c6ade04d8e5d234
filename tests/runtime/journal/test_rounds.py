from runtime.journal.rounds import Budget, Rhythm


def test_a_round_is_due_after_so_many_commands_or_so_long_but_never_without_commands():
    rhythm = Rhythm(commands=100, seconds=1.0)
    rhythm.started(10.0)
    assert not rhythm.due(99.0)
    rhythm.pending = 1
    assert (rhythm.due(10.9), rhythm.due(11.0)) == (False, True)
    rhythm.pending = 100
    assert rhythm.due(10.0)
    rhythm.started(10.0)
    assert not rhythm.due(20.0)


def test_a_costly_round_is_paid_for_by_a_long_pause():
    budget = Budget(share=0.01, bytes_per_second=1000)
    assert budget.grant(1, 0.0)
    budget.spent(0.0, cost_seconds=0.02, size=10)
    assert (budget.grant(1, 1.99), budget.grant(1, 2.0)) == (False, True)
    budget.spent(2.0, cost_seconds=0.0, size=5000)
    assert (budget.grant(1, 6.9), budget.grant(1, 7.0)) == (False, True)


def test_whoever_has_waited_longest_goes_first_and_one_who_left_holds_up_nobody():
    budget = Budget()
    assert budget.grant(1, 0.0)
    budget.spent(0.0, 1.0, 0)
    assert [budget.grant(who, 1.0) for who in (2, 1, 3)] == [False] * 3
    assert [budget.grant(who, 200.0) for who in (1, 3, 2)] == [False, False, True]
    budget.leave(1)
    assert budget.grant(3, 200.0)
