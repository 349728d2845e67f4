"""How well an engine compares faces and resists attacks, on a set that the user owns (ISO/IEC 19795-1, 19795-10, 30107-3).

It works on pairs of pictures whose answer is known beforehand and gives out rates. It is a tool of the command line: no act
imports it, nothing of a traveller ever reaches it, and it is no way to look for a person (a test says so).
"""
