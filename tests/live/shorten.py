"""The shipped rules in the time of a test: hours become seconds, and nothing else changes."""

import re

import yaml

DURATION = r"\d+(?:ms|[smhdw])"
# A range window, with or without the step of a subquery; an offset; `for`; the interval of a group.
TIMES = re.compile(
    rf"\[(?P<window>{DURATION})(?::(?P<step>{DURATION}))?\]"
    rf"|(?P<offset>\boffset (?P<back>{DURATION}))"
    rf"|(?P<key>^ +(?:- )?(?P<name>for|interval): )(?P<value>{DURATION})$",
    re.MULTILINE,
)
MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
DAY = MILLISECONDS["d"]

# How much shorter. A window of minutes keeps its samples if they are scraped every second instead of every minute; one
# of days keeps those of a subquery that takes one an hour. `for` is as short as it can be and still be a wait.
MINUTES, DAYS, FOR = 60, 18_000, 300


def parse(duration: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(\w+)", duration).groups()
    return int(number) * MILLISECONDS[unit]


def shorter(duration: str, by: int) -> str:
    return f"{parse(duration) // by}ms"


def _replace(found: re.Match, waits: int, days: int) -> str:
    if window := found["window"]:
        by = days if parse(window) >= DAY else MINUTES
        step = f":{shorter(found['step'], by)}" if found["step"] else ""
        return f"[{shorter(window, by)}{step}]"
    if back := found["back"]:
        return f"offset {shorter(back, days if parse(back) >= DAY else MINUTES)}"
    by = days if parse(found["value"]) >= DAY else waits
    return found["key"] + ("1s" if found["name"] == "interval" else shorter(found["value"], by))


def shorten(text: str, waits: int = FOR, days: int = DAYS) -> str:
    """A rules file with shorter `for` (by `waits`), windows (those of days by `days`), offsets and group intervals; raises
    if anything else would change."""
    copy = TIMES.sub(lambda found: _replace(found, waits, days), text)
    _same(yaml.safe_load(text), yaml.safe_load(copy), "")
    return copy


def _same(original, copy, where: str) -> None:
    """Both are equal but for a `for` of a rule, an `interval` of a group, and what stands in [...] or after `offset`."""
    if isinstance(original, dict) and isinstance(copy, dict) and original.keys() == copy.keys():
        for key, value in original.items():
            _same(value, copy[key], f"{where}.{key}")
    elif isinstance(original, list) and isinstance(copy, list) and len(original) == len(copy):
        for place, value in enumerate(original):
            _same(value, copy[place], f"{where}[{place}]")
    elif re.fullmatch(r"\.groups\[\d+\](\.interval|\.rules\[\d+\]\.for)", where):
        if not 0 < parse(copy) <= parse(original):
            raise ValueError(f"{where} has become {copy}, from {original}")
    elif isinstance(original, str) and isinstance(copy, str):
        timeless = [re.sub(rf"\[[\w:]+\]|\boffset {DURATION}", "[]", text) for text in (original, copy)]
        if timeless[0] != timeless[1]:
            raise ValueError(f"{where} has changed: {original!r} has become {copy!r}")
    elif original != copy:
        raise ValueError(f"{where} has changed: {original!r} has become {copy!r}")
