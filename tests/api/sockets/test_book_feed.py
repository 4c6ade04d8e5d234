"""A market's book for many: no hole, no repeat, and a new beginning whenever something does not fit."""

import dataclasses
import random

import msgspec
import pytest

from agents.marketdata import telling
from agents.marketdata.view import View
from api.sockets.book_feed import KEPT, BookFeed
from api.sockets.feeds import PATIENCE
from schemas.executions import decode_execution
from schemas.views import HEAD_BYTES, decode_book, decode_delta, encode_view
from tests.agents.marketdata.market import SYMBOL, Exchange, Reader
from tests.api.sockets.reading import told

CHANNEL = f"orderbook:{SYMBOL}"


class Agent:
    """The market data agent's view of a real engine, which tells and shows when it is asked to."""

    def __init__(self) -> None:
        self.exchange, self.chance = Exchange(), random.Random(1)
        self.view = View(SYMBOL)
        self.follow()

    def follow(self) -> None:
        for value in self.exchange.executions[self.view.seq :]:
            self.view.apply(decode_execution(value))

    def delta(self, commands: int = 1) -> bytes:
        for _ in range(commands):
            self.exchange.anything(self.chance)
        self.follow()
        return encode_view(telling.delta(self.view))

    def book(self) -> bytes:
        return encode_view(telling.book(self.view))

    def restart(self) -> None:
        """It forgets what it told, as after a crash, and tells everything since its snapshot again."""
        self.view = View.restore(SYMBOL, self.snapshot)

    def remember(self) -> None:
        self.snapshot = self.view.snapshot()


@dataclasses.dataclass
class Client:
    """One who believes what he is told, and checks it."""

    reader: Reader | None = None
    snapshots: int = 0

    def hear(self, frames) -> None:
        for kind, data in told(frames):
            if kind == "snapshot":
                self.snapshots += 1
                self.reader = Reader(data["seq"], dict(data["bids"]), dict(data["asks"]))
                continue
            assert data["first_seq"] == self.reader.seq + 1, "a hole, or a repeat"
            self.reader.take(msgspec.convert(data, type(decode_delta(msgspec.json.encode(data)))))

    def is_at(self, agent: Agent) -> bool:
        book = decode_book(agent.book())
        return (self.reader.seq, *map(list, self.reader.levels())) == (book.seq, book.bids, book.asks)


@pytest.fixture
def agent() -> Agent:
    agent = Agent()
    agent.delta(200)
    return agent


@pytest.fixture
def feed(agent: Agent) -> BookFeed:
    feed = BookFeed(CHANNEL)
    feed.see(agent.book())
    return feed


def test_a_snapshot_and_its_deltas_give_the_book(agent: Agent, feed: BookFeed):
    client = Client()
    client.hear(feed.greet(None))
    for _ in range(50):
        client.hear(feed.hear(agent.delta(agent.chance.randint(1, 9))))
        assert client.is_at(agent)
    assert client.snapshots == 1


def test_deltas_that_come_before_the_book_join_it(agent: Agent):
    feed, client = BookFeed(CHANNEL), Client()
    early = [agent.delta(3)]
    book = agent.book()
    early += [agent.delta(3), agent.delta(3)]
    for message in early:
        assert feed.hear(message) == ()
    assert (feed.wants_book, feed.is_ready) == (True, False)
    client.hear(feed.see(book))
    assert (client.is_at(agent), client.snapshots, feed.wants_book) == (True, 1, False)


def test_a_book_older_than_the_deltas_is_not_taken(agent: Agent):
    feed, client = BookFeed(CHANNEL), Client()
    old = agent.book()
    agent.delta()
    feed.hear(agent.delta())
    assert (feed.see(old), feed.see(None), feed.wants_book) == ((), (), True)
    client.hear(feed.see(agent.book()))
    assert client.is_at(agent)


def test_a_lost_delta_is_a_hole_that_a_new_snapshot_fills(agent: Agent, feed: BookFeed):
    client = Client()
    client.hear(feed.greet(None))
    agent.delta()
    assert feed.hear(agent.delta()) == ()
    assert (feed.wants_book, feed.restarts) == (True, 1)
    client.hear(feed.hear(agent.delta()))
    client.hear(feed.see(agent.book()))
    client.hear(feed.hear(agent.delta()))
    assert (client.is_at(agent), client.snapshots) == (True, 2)


def test_a_hole_counts_though_the_checksum_does_not_show_it(agent: Agent, feed: BookFeed):
    delta = decode_delta(agent.delta())
    last = decode_book(agent.book())
    feed.hear(encode_view(delta))
    later = msgspec.structs.replace(
        delta, first_seq=last.seq + 3, last_seq=last.seq + 3, checksum=last.checksum, bids=[], asks=[]
    )
    assert (feed.hear(encode_view(later)), feed.wants_book) == ((), True)


def test_a_hole_among_the_deltas_that_waited_is_seen(agent: Agent):
    feed, client = BookFeed(CHANNEL), Client()
    feed.hear(agent.delta())
    book = agent.book()
    agent.delta()
    feed.hear(agent.delta())
    assert (feed.see(book), feed.wants_book) == ((), True)
    client.hear(feed.see(agent.book()))
    assert client.is_at(agent)


def test_what_a_restarted_agent_tells_again_is_told_once(agent: Agent, feed: BookFeed):
    client = Client()
    client.hear(feed.greet(None))
    agent.remember()
    for _ in range(5):
        client.hear(feed.hear(agent.delta(3)))
    agent.restart()
    agent.follow()
    again = encode_view(telling.delta(agent.view))
    assert feed.hear(again) == (), "everything in it is known"
    agent.restart()
    client.hear(feed.hear(agent.delta(3)))  # begins at the snapshot, ends behind what is known
    assert (client.is_at(agent), client.snapshots) == (True, 1)


def test_a_delta_whose_checksum_is_another_one_is_not_passed_on(agent: Agent, feed: BookFeed):
    delta = decode_delta(agent.delta(5))
    wrong = encode_view(msgspec.structs.replace(delta, checksum=delta.checksum ^ 1))
    assert (feed.hear(wrong), feed.is_ready, feed.wants_book) == ((), False, True)


def test_a_book_that_contradicts_itself_is_not_taken(agent: Agent):
    feed, book = BookFeed(CHANNEL), decode_book(agent.book())
    wrong = encode_view(msgspec.structs.replace(book, checksum=book.checksum ^ 1))
    assert (feed.see(wrong), feed.see(b"nonsense"), feed.is_ready) == ((), (), False)


def test_who_comes_back_gets_what_he_missed_and_no_snapshot(agent: Agent, feed: BookFeed):
    client = Client()
    client.hear(feed.greet(None))
    at = {client.reader.seq: client.reader}
    for _ in range(30):
        feed.hear(agent.delta(agent.chance.randint(1, 4)))
    for since in range(client.reader.seq, feed.seq + 1):
        missed = told(feed.greet(since))
        assert [kind for kind, _ in missed] == ["delta"] * len(missed)
        if since == feed.seq:
            assert missed == []
        else:
            assert (missed[0][1]["first_seq"], missed[-1][1]["last_seq"]) == (since + 1, feed.seq)
    client.hear(feed.greet(min(at)))
    assert (client.is_at(agent), client.snapshots) == (True, 1)


def test_who_was_away_too_long_or_comes_from_the_future_gets_a_snapshot(agent: Agent, feed: BookFeed):
    first = feed.seq
    for _ in range(KEPT + 1):
        feed.hear(agent.delta())
    for since in (0, first - 1, first, feed.seq + 1):
        assert [kind for kind, _ in told(feed.greet(since))] == ["snapshot"]


def test_a_book_that_stays_ahead_in_redis_was_not_heard_of(agent: Agent, feed: BookFeed):
    agent.delta()
    head = agent.book()[:HEAD_BYTES]
    feed.look(head)
    assert feed.is_ready, "its delta may be on the way"
    feed.look(head)
    feed.look(head)
    assert feed.wants_book
    client = Client()
    client.hear(feed.see(agent.book()))
    assert client.is_at(agent)


def test_a_book_that_only_lags_is_left_alone(agent: Agent, feed: BookFeed):
    for _ in range(3 * PATIENCE):
        head = agent.book()[:HEAD_BYTES]
        feed.hear(agent.delta())
        feed.look(head)
    assert (feed.is_ready, feed.restarts) == (True, 0)


def test_a_journal_that_was_set_up_anew_is_followed_in_the_end(feed: BookFeed):
    other = Agent()
    for _ in range(PATIENCE + 1):
        assert feed.is_ready
        feed.look(other.book()[:HEAD_BYTES])
    client = Client()
    client.hear(feed.see(other.book()))
    client.hear(feed.hear(other.delta()))
    assert client.is_at(other)


def test_another_book_of_the_same_number_is_noticed(agent: Agent, feed: BookFeed):
    book = decode_book(agent.book())
    other = encode_view(msgspec.structs.replace(book, checksum=book.checksum ^ 1))
    for _ in range(4):
        feed.look(other[:HEAD_BYTES])
    assert feed.wants_book


def test_a_snapshot_is_encoded_once_for_all_who_come_at_a_moment(agent: Agent, feed: BookFeed):
    assert feed.greet(None)[0] is feed.greet(None)[0]
    before = feed.greet(None)[0]
    feed.hear(agent.delta())
    assert feed.greet(None)[0] is not before


def test_nonsense_is_not_heard(feed: BookFeed):
    assert (feed.hear(b""), feed.hear(b"[]"), feed.hear(b'{"a":1}'), feed.is_ready) == ((), (), (), True)
