"""Stories: a person's whole way through the platform, in a real browser, over the real network, with the exercise's drone in the air."""
