"""The traveller's document: its zone from a picture, its chip from a reader, its portrait from the chip.

examine   the whole of it: page, chip, and both compared
zone      the machine-readable zone in a picture of the document
band      where in the picture its lines are
letters   what stands in a line, by the recogniser that rapidocr carries
portrait  the picture in DG2
pcsc      a reader on a desk (PC/SC)

What a document says is judged in `egide.protocols.mrz` and `egide.protocols.emrtd`.
"""
