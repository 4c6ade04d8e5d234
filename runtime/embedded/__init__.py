"""PostgreSQL, Valkey and Kafka without Docker: fetched as packages, started and kept alive by one supervisor."""
