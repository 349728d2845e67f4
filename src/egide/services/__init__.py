"""Services (guichet): what a resident gets remotely, at the counter, or from an officer on their way."""
