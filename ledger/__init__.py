"""The books: accounts, transfers, holds and orders in PostgreSQL."""
