"""The programs between the topics: matching, wallet, marketdata, settlement. One folder is one consumer group."""
