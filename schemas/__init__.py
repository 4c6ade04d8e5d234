"""The words that the parts say to each other: money, commands, events, topics, errors, HTTP bodies."""
