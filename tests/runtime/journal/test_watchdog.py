from runtime.journal.watchdog import Advice, Standing, Watch

FINE: Advice = Advice([], None)


def test_a_lane_that_moves_or_has_nothing_to_do_or_waits_is_left_alone():
    watch: Watch[str] = Watch(0.0)
    for second in range(100):
        standings = {
            "moving": Standing(second, 1000, waiting=False),
            "idle": Standing(7, 7, waiting=False),
            "waiting": Standing(3, 9, waiting=True),
        }
        assert watch.look(float(second), standings) == FINE


def test_a_lane_that_stands_still_is_nudged_and_then_the_process_halts():
    watch: Watch[str] = Watch(0.0)
    still = {"lane": Standing(5, 9, waiting=False)}
    assert [watch.look(now, still) for now in (0.0, 1.0, 2.0)] == [FINE] * 3
    assert watch.look(3.0, still) == Advice(["lane"], None)
    assert watch.look(16.0, still).halt == "lane stands at 5 since 16 s, the end is 9"


def test_a_lane_that_left_and_came_back_is_not_held_to_its_past():
    watch: Watch[str] = Watch(0.0)
    still = {"lane": Standing(5, 9, waiting=False)}
    watch.look(0.0, still)
    watch.look(8.0, {})
    assert watch.look(16.0, still) == FINE


def test_the_time_of_an_outage_is_not_held_against_the_lanes():
    watch: Watch[str] = Watch(0.0)
    still = {"lane": Standing(5, 9, waiting=False)}
    watch.look(0.0, still)
    assert watch.silence(20.0) == FINE
    assert [watch.look(now, still) for now in (31.0, 32.0)] == [FINE] * 2


def test_a_broker_that_is_silent_for_too_long_halts_the_process_and_a_spare_worker_is_healthy():
    watch: Watch[str] = Watch(0.0)
    assert watch.silence(25.0) == FINE
    assert watch.look(25.0, {}) == FINE
    assert watch.silence(50.0) == FINE
    assert watch.silence(50.1).halt == "no answer from the broker for 25 s"
