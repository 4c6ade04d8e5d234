"""Candles: follows the public trades into PostgreSQL."""
