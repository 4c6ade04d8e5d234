"""Marketdata: the views that everybody may see: order book, trades, ticker, candles."""
