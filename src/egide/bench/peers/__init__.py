"""What Égide is measured beside: each module is a program of its own, run as a child process and never imported."""
