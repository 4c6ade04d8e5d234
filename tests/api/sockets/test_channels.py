from api.sockets.channels import Channel, Kind, parse


def test_every_kind_of_channel_has_a_name():
    names = ["orderbook:BTC-USD", "trades:BTC-USD", "ticker:BTC-USD", "candles:BTC-USD:15m", "orders", "wallet"]
    assert [parse(name) for name in names] == [
        Channel("orderbook:BTC-USD", Kind.ORDERBOOK, "BTC-USD"),
        Channel("trades:BTC-USD", Kind.TRADES, "BTC-USD"),
        Channel("ticker:BTC-USD", Kind.TICKER, "BTC-USD"),
        Channel("candles:BTC-USD:15m", Kind.CANDLES, "BTC-USD", "15m"),
        Channel("orders", Kind.ORDERS),
        Channel("wallet", Kind.WALLET),
    ]


def test_what_is_nearly_a_name_is_none():
    wrong = [
        "", "orderbook", "orderbook:", "orderbook:btc-usd", "orderbook:BTC-USD:1m", "candles:BTC-USD", "wallet:1",
        "candles:BTC-USD:2m", "trades:BTC-USD\n", "orders:BTC-USD", "depth:BTC-USD", "orderbook:BTC-USD ",
    ]  # fmt: skip
    assert [name for name in wrong if parse(name) is not None] == []


def test_a_channel_passes_on_what_the_agent_tells_on_one_of_its_own():
    assert [parse(name).source for name in ("orderbook:A-B", "trades:A-B", "ticker:A-B", "candles:A-B:1d")] == [
        "depth:A-B", "trades:A-B", "ticker:A-B", "candles:A-B:1d",
    ]  # fmt: skip
