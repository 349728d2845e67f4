"""Services (guichet): what the counter does, remotely and in the officer's pocket; each defined once."""
