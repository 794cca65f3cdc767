"""One package per wire protocol: how to serve it, and how to be a client of it.  Sans-IO."""
