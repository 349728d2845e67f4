"""A phone that holds tokens without an enrolment: the keys are drawn in its browser and cannot be read out, as the wallet's own.

What is written is what `purse.svelte.ts` writes: records sealed by the device's key, under their names.
"""

from __future__ import annotations

from secrets import token_bytes

from playwright.async_api import expect

from egide.protocols.vapid import encoded
from egide.protocols.wallet.tokens import Jwk
from tests.border.airport import POINTS, Airport
from tests.border.traveller import FLIGHT
from tests.stories.window import Window

OPEN = """const db = await new Promise((done) => { const r = indexedDB.open('egide-pass'); r.onsuccess = () => done(r.result); });
  const asked = (request) => new Promise((done) => { request.onsuccess = () => done(request.result); });
  const put = (store, value, key) => asked(db.transaction(store, 'readwrite').objectStore(store).put(value, key));"""
DRAW = f"""async (count) => {{ {OPEN}
  const made = [];
  for (let number = 0; number < count; number += 1) {{
    const pair = await crypto.subtle.generateKey({{name: 'ECDSA', namedCurve: 'P-256'}}, false, ['sign', 'verify']);
    await put('keys', pair.privateKey, `token-${{number}}`);
    const {{x, y}} = await crypto.subtle.exportKey('jwk', pair.publicKey);
    made.push([x, y]);
  }}
  db.close();
  return made;
}}"""
KEEP = f"""async (records) => {{ {OPEN}
  const key = await asked(db.transaction('keys').objectStore('keys').get('device')), text = new TextEncoder();
  for (const [name, value] of Object.entries(records)) {{
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const how = {{name: 'AES-GCM', iv, additionalData: text.encode(name)}};
    await put('records', {{iv, data: await crypto.subtle.encrypt(how, key, text.encode(JSON.stringify(value)))}}, name);
  }}
  db.close();
}}"""


async def with_tokens(airport: Airport, phone: Window) -> None:
    """The phone holds a consent and one token for each point, and shows them."""
    await phone.go("/pass")
    await expect(phone.page.locator("[data-pass=open]")).to_be_visible()
    drawn = await phone.page.evaluate(DRAW, len(POINTS))
    held = {point: (Jwk("EC", "P-256", x, y), token_bytes(16)) for point, (x, y) in zip(POINTS, drawn, strict=True)}
    given, agreed = await airport.ask("border.consent.give", **airport.agreement()), airport.agreement()
    journey = given | {"points": list(POINTS), "flight": FLIGHT, "departure": agreed["departure"], "given": 0}
    tokens = [
        {
            "number": number, "control": each.control, "credential": each.credential, "cwt": encoded(each.cwt),
            "secret": encoded(held[each.control][1]), "shown": None,
        }
        for number, each in enumerate(airport.batch(given["id"], held))
    ]  # fmt: skip
    await phone.page.evaluate(KEEP, {"journey": journey, "tokens": tokens})
    await phone.page.reload()
    await expect(phone.page.locator("[data-tokens]")).to_have_attribute("data-tokens", str(len(POINTS)))
