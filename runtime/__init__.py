"""The shared edge: settings, servers, logs, metrics, the journal. Rooms with rules in them never import this one."""
