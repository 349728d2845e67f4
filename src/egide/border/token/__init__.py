"""The border token, EGIDE-BT-1: what a traveller holds, how it is shown to one gate, and what the gate learns of it.

claims      what a token can say, checked by kind
profile     one single-use token for each control, in two forms that say the same
verify      online (SD-JWT VC, OpenID4VP) and offline (CWT in a picture): a `Holder` with the claims asked, or one word why not
question    what an offline gate asks, signed                answer   what a wallet gives back, sealed to that gate
single_use  a token is spent once in each realm
container   the travel document's files, which stay in the wallet, and their digest for one gate
qr, base45  pictures

Everything is pure but the drawing of random numbers; keys sign by a `Signer`, storage comes from outside.
"""
