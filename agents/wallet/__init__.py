"""Wallet: applies what happened to the books, once, and then announces it."""
