"""Messages of a hearing's room: any bytes are one of them or are refused."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from egide.services.hearing_signals import MAY, read_signal, read_told


def test_no_two_seats_may_offer() -> None:
    offering = [seat for seat, kinds in MAY.items() if any(kind.__name__ == "Offer" for kind in kinds)]
    assert offering == ["officer"]


@given(st.binary(max_size=400) | st.text(max_size=200).map(lambda text: b"H" + text.encode()))
def test_any_bytes_are_a_signal_or_refused(data: bytes) -> None:
    try:
        found = read_signal(data)
    except ValueError:
        return
    assert type(found).__name__ in ("Offer", "Answer", "Again", "Media", "Caption", "Bye")


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_of_another_process_are_a_signal_or_refused(data: bytes) -> None:
    try:
        found = read_told(data)
    except ValueError:
        return
    assert found.seat in MAY
