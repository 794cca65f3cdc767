"""The Responses API over WebSocket, sans-IO."""
