"""Stories: a person's whole way through the platform, in a real browser, with the exercise's drone in the air."""
