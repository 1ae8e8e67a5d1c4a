"""Where the outside world begins: settings, tables, repositories, the event log and the unit of work."""
