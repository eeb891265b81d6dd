"""Whether an opening line says that no person is speaking. Pure.

Words of the languages whose disclosures the policy packs carry, and a few more; a language that is not here is
left to the prompt and to the packs' own sentence, which is spoken in any case.
"""

import re

_WORDS = {
    "en": r"automated|automatic|a\.?i\.?|artificial|virtual|digital|computer|bot|robot",
    "de": r"automatisch\w*|ki|künstlich\w*|virtuell\w*|digital\w*|computer\w*|bot|roboter|automatisiert\w*",
    "fr": r"automatique|automatisé\w*|ia|artificielle?|virtuel\w*|numérique|robot",
    "es": r"automátic\w*|automatizad\w*|ia|artificial|virtual|digital|robot",
    "it": r"automatic\w*|automatizzat\w*|ia|ai|artificiale|virtuale|digitale|robot",
    "nl": r"automatisch\w*|geautomatiseerd\w*|ai|kunstmatig\w*|virtue\w*|digita\w*|robot",
    "pt": r"automátic\w*|automatizad\w*|ia|artificial|virtual|digital|robô",
}


def discloses(opening: str, language: str) -> bool:
    """Whether `opening` names an automated or artificial speaker in `language` ("en", "de-AT"), or in English."""
    own = _WORDS.get(language.lower()[:2])
    if own is None:
        return True
    return re.search(rf"(?<!\w)(?:{own}|{_WORDS['en']})(?!\w)", opening, re.IGNORECASE) is not None
