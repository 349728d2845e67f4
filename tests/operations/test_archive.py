"""Recordings of the former form, MPEG-TS: gone on with as that, opened as that."""

from __future__ import annotations

import pytest

from egide.operations import archive
from egide.operations.media.recorder import verify
from tests.world import World

pytestmark = pytest.mark.anyio


async def test_a_recording_begun_as_mpeg_ts_goes_on_and_opens_as_that(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as former:
        former.setattr(archive, "form_of", lambda _kernel, _recording: "ts")
        _order, _mission, deployment = await world.flying()
        await world.until(lambda: world.kernel.things["relay"].hub.passed > 20)
        await world.act("command", "operations.camera.stop", deployment=deployment, reason="Fin")
    row = (await world.act("command", "operations.recordings.list"))["recordings"][0]
    recording = row["id"]
    names = world.kernel.objects.names(archive.prefix(recording))
    assert names
    assert not any(name.endswith(".mp4.seal") for name in names)
    assert archive.form_of(world.kernel, recording) == "ts"
    kept = list(archive.segments(world.kernel, recording))
    assert all(part[:1] == b"\x47" and len(part) % 188 == 0 for part in kept)
    assert verify(recording, kept, [*(name.rpartition("-")[2].removesuffix(".seal") for name in names)]) is None
    more = archive.recorder_for(world.kernel, recording, row["source"])
    assert type(more._muxer).__name__ == "TsMuxer", "one recording, one form"
    more.close()
    world.move(days=3)
    told = await world.act(
        "magistrate", "operations.recording.open", recording=recording, motive="Réquisition", judicial_reference="P-1"
    )
    offer = world.kernel.downloads.take(told["url"].rpartition("/")[2], "magistrate", world.clock.now_us())
    assert offer is not None
    assert b"".join(offer.content()) == b"".join(kept)
    assert archive.form_of(world.kernel, "a-new-one") == "mp4"
