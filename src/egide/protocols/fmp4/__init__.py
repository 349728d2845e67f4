"""Fragmented MP4 (ISO/IEC 14496-12): an initialisation segment, then a movie fragment for each picture or group of them.

Why our own: PyAV's muxer refuses packets that are copied from a transport stream (they are Annex B), and a muxer that seeks
cannot write to a socket.  Nothing is decoded: NAL units get a length before them instead of a start code.
Times are microseconds throughout (timescale 1,000,000), so that a picture keeps its exact time.
Sources: ISO/IEC 14496-12 (boxes, fragments), 14496-15 (avc1, avc3, hvc1 and their configuration records), MISB ST 1910 (the URI
under which KLV travels as timed metadata).
"""

from egide.protocols.fmp4.boxes import (
    TIMESCALE,
    Fmp4Error,
    MetaTrack,
    Run,
    Sample,
    VideoTrack,
    fragment,
    initialisation,
    with_lengths,
)
from egide.protocols.fmp4.records import avc_record, hevc_record, hevc_size

__all__ = [
    "TIMESCALE",
    "Fmp4Error",
    "MetaTrack",
    "Run",
    "Sample",
    "VideoTrack",
    "avc_record",
    "fragment",
    "hevc_record",
    "hevc_size",
    "initialisation",
    "with_lengths",
]
