"""Whether a callee passes us on to another person, by their own words. Pure. For `app.calls.opening`."""

import re

_SOMEBODY = (
    r"(?:him|her|them|some(?:one|body)|(?:my|our|the|a) (?:husband|wife|partner|spouse|boss|manager|supervisor|"
    r"colleague|co-?worker|assistant|secretary|receptionist|doctor|owner|director|mother|mom|mum|father|dad|son|daughter|"
    r"brother|sister|roommate|flatmate|neighbou?r))"
)
_JEMAND = (
    r"(?:ihn|sie|(?:meine?n?|unsere?n?|de[nr]|die|eine?n?) (?:mann|frau|partner(?:in)?|chef(?:in)?|"
    r"kolleg(?:en?|in)|mutter|vater|sohn|tochter|bruder|schwester|nachbar(?:n|in)?|inhaber(?:in)?|leiter(?:in)?))"
)
_PASSES_ON = re.compile(
    r"\b(?:put(?:ting)? (?:you|this call) through|transfer(?:ring)? you(?! (?:the|any|some|money|\d))|"
    r"connect(?:ing)? you|pass(?:ing)? you (?:on|over|to)|hand(?:ing)? (?:you|the phone) (?:over|to)|"
    r"(?:i(?: will|'ll| ll)|let me|lemme|i(?:'m| am) going to|i can) (?:just |go |quickly )?(?:get|fetch|grab) "
    rf"{_SOMEBODY}\b(?! to\b)|"
    rf"(?:get|fetch) {_SOMEBODY} for you|put(?:ting)? {_SOMEBODY} on\b(?! (?:the list|hold|notice))|"
    r"(?:he|she)(?:'s| is| s) right here|here (?:he|she) (?:is|comes)|"
    rf"verbinde (?:sie|dich)|stelle? (?:sie )?durch|hole? {_JEMAND}(?! (?:\w+ ){{0,3}}ab\b)|gebe? sie weiter|"
    rf"gebe? (?:ihnen|dir|sie|dich) (?:mal |kurz )?{_JEMAND}|"
    r"je vous (?:l[ea]s? )?(?:passe|transf[eè]re|mets en (?:relation|ligne|communication))|"
    r"[ls]e l[oa] paso|l[ea] paso (?:con|a)|le comunico|gli?el[oa] passo|la passo|"
    r"verbind u door|geef u (?:hem|haar|mijn \w+)|haal (?:hem|haar) even)\b",
    re.IGNORECASE,
)
_NOT = re.compile(
    r"\b(?:not|never|cannot|nicht|nie|kein\w*|ne|pas|non|niet)\b|n't\b|\b(?:don|won|can|couldn|wouldn) t\b",
    re.IGNORECASE,
)
_NOT_AFTER = re.compile(r"\s+(?:\w+ )?(?:nicht|pas|niet)\b", re.IGNORECASE)
_CLAUSE_ENDS = re.compile(r"[.,;:!?]")


def passes_on(text: str) -> bool:
    """Whoever speaks next may be somebody else."""
    text = text.replace("\u2019", "'")
    for found in _PASSES_ON.finditer(text):
        before = _CLAUSE_ENDS.split(text[: found.start()])[-1]
        if not _NOT.search(before) and not _NOT_AFTER.match(text, found.end()):
            return True
    return False
