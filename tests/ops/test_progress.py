import io

from ops.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_says_how_far_how_many_and_how_fast_and_goes_away():
    now = [0.0]
    terminal = Terminal()
    with Progress("commands", 4000, stream=terminal, clock=lambda: now[0]) as progress:
        progress.to(0)
        now[0] = 2.0
        progress.add(1000)
    assert terminal.getvalue().split("\r\033[K") == [
        "",
        "[                    ]   0%  0 of 4,000 commands  0/s",
        "[#####               ]  25%  1,000 of 4,000 commands  500/s",
        "",
    ]


def test_a_bar_is_not_drawn_more_often_than_anyone_can_see():
    now, terminal = [0.0], Terminal()
    progress = Progress("records", 100, stream=terminal, clock=lambda: now[0])
    for done in range(100):
        now[0] += 0.001
        progress.to(done)
    assert terminal.getvalue().count("\r") == 1
    assert progress.done == 99


def test_a_pipe_sees_nothing():
    pipe = io.StringIO()
    with Progress("records", 0, stream=pipe) as progress:
        progress.to(1)
    assert pipe.getvalue() == ""


def test_where_nobody_knows_the_total_there_is_no_bar():
    terminal = Terminal()
    with Progress("rows", 0, stream=terminal, clock=iter((0.0, 2.0, 2.0)).__next__) as progress:
        progress.to(1000)
    assert terminal.getvalue().split("\r\033[K") == ["", "1,000 rows  500/s", ""]
