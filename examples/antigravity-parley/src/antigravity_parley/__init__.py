"""An upstream for servers that speak the protocol Parley."""
