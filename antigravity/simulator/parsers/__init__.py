"""Turn a request that was found legal into a view; pure."""
