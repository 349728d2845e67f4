"""Proof of identity by a European digital identity wallet, the verifier's side: pure functions, bytes in, structs out.

openid4vp   what is asked, the signed request, the wallet's answer        OpenID4VP 1.0
sdjwt       the presented credential and its key binding                   RFC 9901, SD-JWT VC
chain       the issuer's certificate                                       RFC 5280
statuslist  whether it was revoked                                         Token Status List
tokens      signed tokens and keys                                         RFC 7515, 7517, 8725

Nothing here reads a file, a clock or a socket; every refusal is a `WalletError` with one word of `Why`.
"""
