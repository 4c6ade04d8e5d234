"""Marketdata: follows the executions, and shows book, trades, ticker and candles to everybody."""
