"""The books made again from the topics alone: beside the live ones to compare, or onto an older backup to recover."""
