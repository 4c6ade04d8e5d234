"""A wallet as its owner sees it: atoms become decimal text, and nothing else happens."""

from collections.abc import Iterable

from api.catalogue import Listing
from ledger import reads
from ledger.accounts import HOME_CURRENCY
from schemas.bodies.wallet import Holding, Wallet


def answer(rows: Iterable[reads.Wallet], listing: Listing) -> Wallet:
    """The home currency always, others as far as there is a row of them."""
    by_asset = {row.asset: row for row in rows}
    home = by_asset.setdefault(HOME_CURRENCY, reads.Wallet(HOME_CURRENCY, 0, 0, 0))
    return Wallet(
        balance=listing.amount(HOME_CURRENCY, home.available),
        held=listing.amount(HOME_CURRENCY, home.held),
        assets=[
            Holding(
                asset=asset,
                available=listing.amount(asset, row.available),
                held=listing.amount(asset, row.held),
                pending=listing.amount(asset, row.pending),
            )
            for asset, row in sorted(by_asset.items())
        ],
    )
