"""One package per wire protocol, with its server and client sides.  Sans-IO."""
