"""The room: a process for one control, which alone opens what the traveller sealed for it, compares, and ends.

The platform relays ciphertext in and one word out. The key that opens it is drawn in the room and never leaves it; template,
frames, claims and portrait are in no other process's memory, on no disk and in no log. When the control is over the process is
killed, and the operating system takes its memory (docs/decisions/0073).

messages   what goes through the two pipes, and how
parent     asking for a room, asking it, ending it
nursery    a warm process that knows nobody and forks a room for each control, so that a control does not pay the start
child      the process of a room: its limits, its loop
sealed     opening what was sealed for the room, sealing for the officer's tablet and the wallet
work       what is done in it: the token, the face, the document, the officer's look, the tokens issued
"""
