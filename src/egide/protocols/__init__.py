"""Pure codecs and formats: no input or output, no acts, no kernel; shared by the capabilities and by the exercise."""
