"""The issuer's and the holder's side of what `protocols/wallet` verifies: pure functions, structs and bytes in, text out.

signing      keys, their names, compact signed tokens                       RFC 7515, 7517, 7518
issue        a credential of which each claim can be shown or kept          RFC 9901 §4, SD-JWT VC
present      what the holder shows, bound to who asked                      RFC 9901 §4.3
statuslist   which credentials were revoked, and drawing of places in it    Token Status List
freshness    lists kept by who verifies, and how long they still count      Token Status List §8

The verifier is in `protocols/wallet` alone; both raise its `WalletError`. Keys are given as a `Signer`, so that they can stay in
a vault or in hardware.
"""
