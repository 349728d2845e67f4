"""The server that ATAK, WinTAK and iTAK take for theirs: connections, routing, and the bridge to the shared picture.

A connection is an act by the device's person; what passes is filtered by what that act yielded, counted, and sealed each minute.
"""
