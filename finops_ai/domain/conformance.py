"""Units and issuers as FOCUS wants them written: the spellings of many providers brought to one."""

from __future__ import annotations

import re
from functools import lru_cache

PREFIXES = {"kilo": "K", "mega": "M", "giga": "G", "tera": "T", "peta": "P", "exa": "E"}
PREFIXES |= {"kibi": "Ki", "mebi": "Mi", "gibi": "Gi", "tebi": "Ti", "pebi": "Pi", "exbi": "Ei", "": ""}

SIZES = frozenset(prefix + base for prefix in PREFIXES.values() for base in ("b", "B"))

SPELLINGS = {
    "year yr yrs years": "Years",
    "month mo mos months": "Months",
    "day days": "Days",
    "hour hr hrs hours": "Hours",
    "minute min mins minutes": "Minutes",
    "second sec secs seconds": "Seconds",
    "request requests": "Requests",
    "token tokens": "Tokens",
    "unit units": "Units",
    **{f"{word}byte {word}bytes {short}B {short}Bs".lower(): f"{short}B" for word, short in PREFIXES.items() if word},
    **{f"{word}bit {word}bits".lower(): f"{short}b" for word, short in PREFIXES.items() if word},
    "byte bytes": "B",
    "bit bits": "b",
}
NOUNS = {spelling: noun for spellings, noun in SPELLINGS.items() for spelling in spellings.split()}
TIMES = frozenset({"Years", "Months", "Days", "Hours", "Minutes", "Seconds"})

MULTIPLES = {"": 1, "k": 10**3, "thousand": 10**3, "m": 10**6, "million": 10**6, "b": 10**9}
COUNTED = re.compile(r"(?P<count>\d[\d,]*)\s*(?P<multiple>[kKmMbB](?![\w/-])|(?i:thousand|million)\b|)\s*(?P<of>.*)")

PER = re.compile(r"\s*/\s*|\s+per\s+", re.IGNORECASE)

LEGAL_FORMS = "ag bv co company corp corporation gk gmbh inc kk limited llc lp ltd nv plc pte pty sa sarl sas srl"


@lru_cache(maxsize=4096)
def focus_unit(unit: str) -> str:
    """`unit` in the unit format of FOCUS 1.2: `Hrs` is "Hours", `GB-Mo` "GB-Months", `1K tokens` "1000 Tokens".

    A noun that is no known spelling stays, with a capital; the quantities beside it keep their meaning.
    """
    text = unit.strip()
    counted = COUNTED.fullmatch(text)
    count = int(counted["count"].replace(",", "")) * MULTIPLES[counted["multiple"].lower()] if counted else 1
    measure, *rest = PER.split(counted["of"] if counted else text, maxsplit=1)
    base, per = _base(measure), rest[0] if rest else ""
    time = _noun(per)
    if time in TIMES:
        # 1 GB/Month is what a store keeps for a month; anything else is a rate.
        is_kept = base in SIZES and time == "Months"
        base = f"{base}-{time}" if is_kept else f"{base or 'Units'}/{time.removesuffix('s')}"
    elif per:
        base = f"{base or 'Units'}/{per}"
    if counted and not base:
        base = "Units"
    return base if count == 1 else f"{count} {base}"


@lru_cache(maxsize=4096)
def issuer_name(issuer: str, provider: str) -> str:
    """`provider` where `issuer` is one of its own legal entities, else `issuer`.

    "Amazon Web Services EMEA SARL" issues for "AWS", "Google LLC" for "Google Cloud". FOCUS takes an issuer that is
    named otherwise than the provider for a third party that is paid instead.
    """
    theirs, ours = _words(issuer), _words(provider)
    shorter = min(len(theirs), len(ours))
    initials = "".join(word[0] for word in theirs)
    is_abbreviated = len(ours) == 1 and len(ours[0]) > 1 and initials.startswith(ours[0])
    return provider if shorter and (theirs[:shorter] == ours[:shorter] or is_abbreviated) else issuer


def _base(measure: str) -> str:
    """`GB-Mo`, `gibibyte month` and `GBSeconds` as GB-Months, GiB-Months and GB-Seconds."""
    parts = [_noun(part) for part in re.split(r"[-\s]+|(?<=[KMGTP]B)(?=[A-Z])|(?<=iB)(?=[A-Z])", measure) if part]
    if len(parts) > 1 and parts[-1] in TIMES and ("-" in measure or parts[-2] in SIZES):
        return f"{' '.join(parts[:-1])}-{parts[-1]}"
    return " ".join(parts)


def _noun(word: str) -> str:
    if word in SIZES:
        return word
    return NOUNS.get(word.lower(), word.capitalize() if word.islower() else word)


def _words(name: str) -> list[str]:
    forms = LEGAL_FORMS.split()
    words = (re.sub(r"\W", "", word) for word in name.lower().replace(".", "").split())
    return [word for word in words if word and word not in forms]
