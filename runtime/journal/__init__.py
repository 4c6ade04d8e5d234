"""The journal and its checkpoint: any deterministic state machine, made exact on Kafka and Faust (docs/JOURNAL.md).

Pure: machine, chain, partition, checkpoint, rounds, watermark, comparing, differing. Edge: everything else here.
"""
