"""Which exchange the desk buys at, and what is said of one at which it will not."""

import os
import subprocess
import sys
from pathlib import Path

from agents.settlement.connectors.ccxt_exchange import CcxtExchange
from agents.settlement.connectors.simulated import SimulatedExchange
from agents.settlement.desk.__main__ import connector
from runtime.settings import PROJECT_ROOT, Settings


def test_the_sandbox_buys_at_its_own_exchange_and_others_where_they_have_an_account(tmp_path: Path) -> None:
    account = Settings(home=tmp_path, exchange="binanceus", exchange_api_key="k", exchange_secret_key="s")
    names = [(type(one), one.name) for one in (connector(Settings(home=tmp_path)), connector(account))]
    assert names == [(SimulatedExchange, "simulated"), (CcxtExchange, "binanceus")]


def test_an_exchange_that_could_be_made_to_buy_twice_ends_the_start_with_a_sentence(tmp_path: Path) -> None:
    environ = {
        **os.environ, "TIDEMARK_HOME": str(tmp_path), "TIDEMARK_CONFIG": os.devnull, "EXCHANGE": "kraken",
        "POSTGRES_HOST": "127.0.0.1", "REDIS_HOST": "127.0.0.1", "KAFKA_BOOTSTRAP": "127.0.0.1:1",
    }  # fmt: skip
    command = [sys.executable, "-m", "agents.settlement.desk"]
    said = subprocess.run(command, cwd=PROJECT_ROOT, env=environ, capture_output=True, text=True, check=False)
    sentence = (
        "EXCHANGE is 'kraken': write simulated, or a venue that can tell an order by our id and refuses one that comes "
        "late: binance, binanceus.\n"
    )
    assert (said.returncode, said.stderr) == (1, sentence)
