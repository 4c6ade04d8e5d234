"""Matching: applies the commands of a market in journal order and says what happened."""
