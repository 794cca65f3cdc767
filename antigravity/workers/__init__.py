"""Workers: processes of one gateway that serve its ports, and the main process that keeps them."""
