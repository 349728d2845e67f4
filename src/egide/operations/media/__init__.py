"""Live video of one place: from a drone's or a camera's stream to the viewers, without transcoding, and to sealed segments.

    udp | tcp | rtsp | files ──────┐
    srt | rtmp ─ child ffmpeg ─────┴─ readers ─ assemble ─ ingest ─┬─ hub ─ viewers
                                                                   └─ recorder ─ seal

Pure media: no acts, no law, no database.  The capability opens and closes what is here under its leases.
"""
