"""Remote services: what a resident gets at a distance, and what the service gives out."""
