"""Words of club names: how feeds shorten them, and which say little about whose name it is."""

from collections.abc import Mapping
from typing import Final

LETTERS: Final = str.maketrans(
    {"ß": "ss", "ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "\u0131": "i", "&": " and "}
)
"""Letters that Unicode does not take apart into a plain one and an accent."""

_FORMS: Final = """
ac afc ag as asd bc bk bsc bv ca calcio cd cf cfc clube club cp dsc ec ev fc fcv fk fsv gd hsc ksv losc msv ogc osc kv
aj rc rcd sad sb sc sd sg sk sm spvgg ss ssc ssd ssv sv svw tsg tsv ud us usd usl vfb vfl vfr and the de del di du d des
la le les los el a da do of y und et
"""
MEANINGLESS: Final = frozenset(_FORMS.split())
"""Forms of organisation, articles and conjunctions; a name that has nothing else keeps them."""

_COMMON: Final = """
albion alexandra argyle athletic atletico borussia city county deportivo dynamo dons eintracht fortuna foot football
green hotspur hove olympique orient racing rangers real rovers sporting stade stanley town united viktoria vigo
wanderers wednesday
"""
GENERIC: Final = frozenset(_COMMON.split())
"""Words that several football clubs carry: equal ones are weak evidence."""

RESERVES: Final = frozenset({"b", "u19", "u20", "u21", "u23", "castilla", "women", "ladies", "femenino", "w"})
"""Marks of another team of the same club."""

SYNONYMS: Final[Mapping[str, str]] = {"utd": "united", "st": "saint", "ste": "sainte"}

SOCCER: Final[Mapping[str, str]] = {
    "ii": "b",
    "man": "manchester",
    "weds": "wednesday",
    "wolves": "wolverhampton wanderers",
    "qpr": "queens park rangers",
    "nott m": "nottingham",
    "nottm": "nottingham",
    "boro": "borough",
    "peterboro": "peterborough",
    "dag and red": "dagenham redbridge",
    "mk dons": "milton keynes dons",
    "psg": "paris saint germain",
    "paris sg": "paris saint germain",
    "m gladbach": "monchengladbach",
    "mgladbach": "monchengladbach",
    "gladbach": "monchengladbach",
    "ein": "eintracht",
    "munchen": "munich",
    "muenchen": "munich",
    "cologne": "koln",
    "koeln": "koln",
    "nuremberg": "nurnberg",
    "ath madrid": "atletico madrid",
    "ath bilbao": "athletic bilbao",
    "sp": "sporting",
    "dep": "deportivo",
    "lyonnais": "lyon",
    "rennais": "rennes",
    "brestois": "brest",
}
"""How feeds of football write clubs and cities."""

AMERICAN: Final[Mapping[str, str]] = {
    "la": "los angeles",
    "ny": "new york",
    "nj": "new jersey",
    "sf": "san francisco",
    "kc": "kansas city",
    "tb": "tampa bay",
    "gb": "green bay",
    "ne": "new england",
    "okc": "oklahoma city",
    "philly": "philadelphia",
    "sixers": "76ers",
    "d backs": "diamondbacks",
    "dbacks": "diamondbacks",
    "cavs": "cavaliers",
    "mavs": "mavericks",
}
"""How feeds of American leagues write cities and nicknames."""

PHRASES: Final[Mapping[str, Mapping[str, str]]] = {
    "soccer": {**SYNONYMS, **SOCCER},
    **{key: {**SYNONYMS, **AMERICAN} for key in ("american_football", "baseball", "basketball", "ice_hockey")},
}
"""What short forms stand for wherever they occur, by sport; other sports have ``SYNONYMS`` alone."""

LONGEST_PHRASE: Final = 3
"""Words of the longest phrase."""

WHOLE_NAMES: Final[Mapping[str, Mapping[str, str]]] = {
    "soccer": {
        "spurs": "tottenham hotspur",
        "athletic club": "athletic bilbao",
        "inter": "inter milan",
        "internazionale": "inter milan",
        "internazionale milano": "inter milan",
        "espanol": "espanyol",
    },
}
"""What a short form stands for where it is the whole name, by sport."""
