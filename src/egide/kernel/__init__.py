"""The one door. Everything that touches people or state passes `perform`; small enough to be read in an hour."""
