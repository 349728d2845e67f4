"""Border (frontière): a face token in the traveller's hand passes every control; compared 1:1, and nothing is kept."""
