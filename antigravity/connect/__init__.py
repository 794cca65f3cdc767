"""Connect clients: write the gateway's address into their configuration, and take it out again.

``files`` edits configuration files without changing what is not ours, ``clients`` knows the files
and settings of each client, ``changes`` compares them, and ``connections`` applies and undoes.
``guides`` shows the same settings to people who write them by hand.  Nothing here uses the reactor;
what reads or writes files is called by the command line.
"""
