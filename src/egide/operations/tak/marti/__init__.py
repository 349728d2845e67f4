"""The Marti HTTPS interface that TAK clients speak: each request becomes an act, each answer takes the form they expect."""
