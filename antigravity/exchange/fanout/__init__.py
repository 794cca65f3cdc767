"""One request served by several upstream requests whose responses are merged."""
