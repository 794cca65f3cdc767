"""Connect clients: write the gateway's address into their configuration, and take it out again.

``files`` edits configuration files without changing what is not ours, ``clients`` knows the files
and settings of each client, ``plan`` compares them, and ``connections`` applies and undoes.
Nothing here uses the reactor: only the command line uses it.
"""
