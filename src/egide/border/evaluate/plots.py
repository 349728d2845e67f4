"""Two drawings of the same curve as SVG, 640×480, written out by hand: DET (what is missed) and ROC (what is found).

Colours, sizes and a background of their own, so that they look the same in a report, in a browser by night and on paper. A rate
of 0 has no place on a logarithmic scale: the curve ends at the last error that was seen, and says nothing of what was not.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import floor, log10

Curve = Sequence[tuple[float, float, float]]  # threshold, FMR, FNMR

WIDTH, HEIGHT = 640, 480
LEFT, RIGHT, TOP, BOTTOM = 84, 20, 66, 62  # margins
INK, FAINT, LINE = "#1b1b1b", "#d5d9e0", "#1f4e9c"
LEAST = 1e-4  # FNMR: the foot of the DET's scale, or lower where an error was seen below


def det(title: str, curve: Curve) -> str:
    """Detection error trade-off: FNMR over FMR, both logarithmic (ISO/IEC 19795-1)."""
    seen = [(fmr, fnmr) for _, fmr, fnmr in curve if fmr > 0 and fnmr > 0]
    low = _decade(min((fmr for fmr, _ in seen), default=1.0))
    foot = log10(min([LEAST, *(_decade(fnmr) for _, fnmr in seen)]))
    points = [(log10(fmr), log10(fnmr)) for fmr, fnmr in seen]
    return _drawn(
        (f"Compromis d’erreur (DET) · {title}", f"Detection error trade-off (DET) · {title}"),
        "Taux de non-appariement erroné · FNMR",
        points,
        (log10(low), 0.0),
        (foot, 0.0),
        [(float(power), _percent(10.0**power)) for power in range(round(foot), 1)],
    )


def roc(title: str, curve: Curve) -> str:
    """Receiver operating characteristic: true matches over FMR, the latter logarithmic."""
    seen = [(fmr, fnmr) for _, fmr, fnmr in curve if fmr > 0]
    low = _decade(min((fmr for fmr, _ in seen), default=1.0))
    points = [(log10(fmr), 1 - fnmr) for fmr, fnmr in seen]
    least = min(9, floor(10 * min((y for _, y in points), default=0.0)))  # tenths
    ticks = [part / 50 for part in range(45, 51)] if least == 9 else [part / 10 for part in range(least, 11)]
    return _drawn(
        (f"Caractéristique (ROC) · {title}", f"Receiver operating characteristic (ROC) · {title}"),
        "Appariements justes · 1 - FNMR",
        points,
        (log10(low), 0.0),
        (ticks[0], 1.0),
        [(tick, _percent(tick)) for tick in ticks],
    )


def _decade(value: float) -> float:
    return float(10.0 ** min(-1, floor(log10(value))))


def _percent(value: float) -> str:
    return f"{value * 100:.4g} %"


def _power(power: int) -> str:
    return "1" if power == 0 else "10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _drawn(
    titles: tuple[str, str],
    upright: str,
    points: list[tuple[float, float]],
    across: tuple[float, float],
    up: tuple[float, float],
    ticks: list[tuple[float, str]],
) -> str:
    def x(value: float) -> float:
        return LEFT + (value - across[0]) / (across[1] - across[0]) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (value - up[0]) / (up[1] - up[0]) * (HEIGHT - TOP - BOTTOM)

    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13" fill="{INK}" role="img">',
        f"<title>{escape(titles[1])}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="26" font-size="16" font-weight="bold">{escape(titles[0])}</text>',
        f'<text x="{LEFT}" y="46">{escape(titles[1])}</text>',
    ]
    for power in range(round(across[0]), 1):
        at = x(power)
        parts.append(f'<path d="M{at:.1f} {TOP}V{bottom}" stroke="{FAINT}"/>')
        parts.append(f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">{_power(power)}</text>')
    for value, label in ticks:
        at = y(value)
        parts.append(f'<path d="M{LEFT} {at:.1f}H{right}" stroke="{FAINT}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{label}</text>')
    line = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points)
    middle = (TOP + bottom) // 2
    parts += [
        f'<polyline points="{line}" fill="none" stroke="{LINE}" stroke-width="2.5"/>',
        f'<text x="{(LEFT + right) // 2}" y="{HEIGHT - 14}" text-anchor="middle">Taux d’appariement erroné · FMR</text>',
        f'<text transform="translate(18 {middle}) rotate(-90)" text-anchor="middle">{escape(upright)}</text>',
        "</svg>\n",
    ]
    return "\n".join(parts)
