"""Whether what a callee says into a farewell is a farewell too, or asks for something more. Pure.

Phrases and not words: "see you on Thursday" is a goodbye, "Thursday" is a wish. What is not known here is taken
seriously: the agent then says goodbye once more. The phrases of all languages are asked whatever the language of
the call. Used by `app.calls.second_thought`.
"""

import re

from media.realtime.words import BACKCHANNELS, folded, judge

_DAY = r"(?:day|evening|night|afternoon|morning|week|weekend|one|time|rest of (?:your|the) day)"
_WEEKDAY = "(?:on )?(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_LOOKS_FORWARD = f"(?:again|later|soon|then|there|around|tomorrow|tonight|next week|{_WEEKDAY})"
_EN = (
    r"(?:good ?)?bye(?: ?bye)*(?: now)?", "byebye", "cheers", "so long", "take care(?: of yourself)?",
    r"(?:many )?(?:thank you|thanks|thank u)(?: (?:so|very) much| a lot| again| kindly| too)*"
    r"(?: for (?:(?:your|the) (?:time|help|call|patience|information)|calling|everything))?",
    r"(?:and )?(?:you|yourself|u)(?: as well| too| also)", "(?:the )?same to you", "likewise",
    rf"(?:you )?(?:have|enjoy) (?:an?|your|the)(?: very)?(?: (?:nice|good|great|lovely|wonderful))? {_DAY}",
    rf"(?:good|nice) {_DAY}", rf"(?:see|talk to|speak to|catch|hear from) (?:you|ya)(?: {_LOOKS_FORWARD})*",
    f"(?:until|till) {_LOOKS_FORWARD}", "(?:all the )?best(?: wishes)?", "(?:my )?pleasure",
    "you(?:'re| are) welcome", "no (?:problem|worries)", "that(?:'s| is| was) (?:all|it|everything)(?: for now)?",
    "nothing(?: else| more)?", "perfect", "lovely", "wonderful", "excellent", "fine", "cool", "good",
    "i(?:'m| am) (?:good|fine|all set)", "will do", "god bless(?: you)?",
    "nice (?:talking|speaking) (?:to|with) you", "(?:i )?appreciate (?:it|that|your (?:help|time|call))", "sir",
    "ma'?am", "then", "well", "and", "so", "too", "as well",
)  # fmt: skip
_WEEKDAY_DE = "(?:mon|diens|donners|frei|sams|sonn)tag|mittwoch"
_DE = (
    "(?:auf )?wieder(?:sehen|sehn|schauen|horen)", r"tschu(?:ss|ß|s)\w*", "tschau", "ciao(?: ciao)?", "servus",
    "ade", f"bis (?:dann|bald|morgen|spater|demnachst|nachste woche|zum nachsten mal|{_WEEKDAY_DE})",
    r"(?:vielen |herzlichen |besten |lieben )?(?:dank|danke)"
    r"(?: schon| sehr| ihnen| dir| nochmals?| vielmals| auch)*"
    r"(?: fur (?:ihre|ihren|die|den|das) \w+)?", "dankeschon", "bitte(?: ?schon| ?sehr)?", "gerne?",
    "(?:ihnen |dir |euch )?(?:auch|ebenfalls|gleichfalls|ebenso)",
    r"(?:ich )?(?:wunsche? )?(?:ihnen |dir |euch )?(?:auch )?(?:noch )?(?:einen? )?(?:schone[ns]?|guten?) "
    r"(?:tag|abend|nacht|nachmittag|woche|wochenende|feierabend)(?: noch)?(?: ihnen| dir| euch| auch)*",
    "mach(?:en sie|t|'?s)? ?(?:e?s )?gut", "alles (?:gute|klar)", "das war(?:'?s| es| alles)?", "super", "prima",
    "perfekt", "wunderbar", "und", "dann", "also",
)  # fmt: skip
_FR = (
    "au revoir", "adieu", "salut",
    "a (?:bientot|demain|plus(?: tard)?|tout a l'heure|la prochaine)",
    "a (?:(?:lun|mar|mercre|jeu|vendre|same)di|dimanche)(?: prochain)?",
    "bonne (?:journee|soiree|nuit|semaine|continuation|fin de (?:journee|semaine))",
    "bon (?:week ?end|apres ?midi)",
    r"merci(?: beaucoup| bien| encore| infiniment| a vous| a toi| aussi)*(?: pour (?:tout|votre \w+|l'appel))?",
    "(?:a )?(?:vous|toi) (?:aussi|de meme|egalement)", "de meme", "pareillement", "egalement",
    "(?:passez )?une (?:bonne|excellente) (?:journee|soiree)", "je vous en prie", "de rien", "tres bien",
    "parfait", "c'est (?:tout|bon|parfait)", "super", "et", "alors", "madame", "monsieur",
)  # fmt: skip
_ES = (
    r"adios", r"hasta (?:luego|pronto|manana|entonces|ahora|otra|la (?:vista|proxima)|el \w+)", "chao", "chau",
    r"(?:muchas |muchisimas |mil )?gracias(?: a (?:usted|ti|ustedes))?(?: por (?:todo|su \w+|llamar|la llamada))?",
    "igualmente", "(?:a |para )?(?:usted|ti|ustedes)(?: tambien)?", "de nada", "cuidese", "cuidate",
    r"(?:que )?(?:tengas?|pases?|le vaya|te vaya|vaya) (?:muy )?(?:un )?(?:bien|(?:buen|feliz|bonito|lindo) dia|"
    r"(?:una )?(?:buena|feliz|linda) (?:tarde|noche|semana))",
    "buen(?:os|as|a)? (?:dias?|tardes?|noches?|fin de semana)", "feliz (?:dia|tarde|noche)", "(?:un )?saludos?",
    "nos vemos(?: luego| pronto| entonces| manana)?", "perfecto", "muy bien", "(?:eso es todo|nada mas)", "y",
    "pues",
)  # fmt: skip
_IT = (
    "arrivederci", "arrivederla", "salve", r"a (?:presto|dopo|domani|risentirci|lei|te)", "altrettanto",
    r"(?:la )?(?:grazie|ringrazio)(?: mille| tante| infinite| ancora| a lei| a te)*(?: per (?:tutto|la \w+))?",
    "(?:buona ?|buon )(?:giornata|serata|sera|notte|giorno|pomeriggio|fine settimana|weekend|lavoro)", "prego",
    "anche a (?:lei|te)", "di niente", "ci (?:sentiamo|vediamo)(?: presto| domani| dopo)?", "perfetto",
    "benissimo", "molto bene", "e",
)  # fmt: skip
_NL = (
    "dag(?: ?dag| hoor)?", "doei(?: ?doei)?", "doeg",
    r"tot (?:ziens|straks|later|morgen|dan|gauw|snel|horens|\w+dag)",
    "(?:dank (?:u|je)(?: ?wel)?|dank[uj]e?wel|(?:hartelijk )?bedankt)(?: voor (?:alles|uw \\w+))?", "insgelijks",
    "(?:u|jij|jullie|hetzelfde)(?: ook)?(?: zo)?", "(?:graag gedaan|geen dank)", "goed",
    "(?:nog )?(?:een )?(?:fijne?|prettige?|goede?|mooie) (?:dag|avond|middag|weekend|nacht)(?: nog| verder)?",
    "en",
)  # fmt: skip
_PT = (
    "adeus", "tchau(?: tchau)?", r"ate (?:logo|breve|amanha|mais|ja|a proxima|\w+ feira)", "de nada",
    "(?:um )?abraco",
    r"(?:muit[oa] )?(?:obrigad[oa]|obrigadinh[oa])(?: eu| a voce| igualmente)*(?: por (?:tudo|ligar))?",
    "(?:tenha )?(?:uma? )?(?:bom|boa|otimo|otima) (?:dia|tarde|noite|semana|fim de semana)", "perfeito",
    "muito bem", "(?:para |pra )?(?:voce|o senhor|a senhora|si) tambem",
)  # fmt: skip
_PL = (
    "do (?:widzenia|us[lł]yszenia|zobaczenia|jutra)", "(?:bardzo )?(?:dziekuje|dzieki)(?: bardzo)?", "na razie",
    "pa(?: pa)?", "czesc", "(?:mi[lł]ego|dobrego) (?:dnia|wieczoru|weekendu)", "wzajemnie", "nawzajem", "dobranoc",
    "prosze",
)  # fmt: skip
_TR = (
    "hosca ?kal[iı]n?", "gule gule", "gorusuruz", "gorusmek uzere", "(?:cok )?tesekkur(?:ler| ederim| ederiz)?",
    "sa[gğ] ?ol(?:un)?", "iyi (?:gunler|aksamlar|geceler|cal[iı]smalar)", "size de", "siz de", "rica ederim",
)  # fmt: skip
_NO = r"(?:no|nope|nein|nee|non|nao|nie|hay[iı]r)"
"""With a goodbye or thanks a polite one; alone it objects to the end."""
_PHRASE = re.compile("|".join((*_EN, *_DE, *_FR, *_ES, *_IT, *_NL, *_PT, *_PL, *_TR, _NO)))
_NOTHING_BUT_NO = re.compile(rf"{_NO}(?: {_NO})*")
_LONGEST = 11
"""Words of a phrase at most; a chain of them is looked for piece by piece, which is quick whatever is said."""


_HUM = re.compile(r"h*m+(?:h+m*)*|[bgp]r+|p+s+t*|p?f+|t+s+k*|h+")
"""Sounds that a recognizer writes down, in no language a word."""


def asks_for_more(text: str, agent_text: str) -> bool:
    """`text` is a turn of the callee, `agent_text` what the agent had just said, whose echo is nobody's wish."""
    spoken = folded(text)
    if judge(text, agent_text) != "speech":
        return False
    words = [word for word in spoken.split() if _HUM.fullmatch(word) is None]
    return _NOTHING_BUT_NO.fullmatch(spoken) is not None or not _is_farewell(words)


def is_there(text: str, agent_text: str) -> bool:
    """A turn of a callee who had been silent shows that somebody is there and goes on: a bare "yes" does too."""
    if judge(text, agent_text) != "backchannel":
        return asks_for_more(text, agent_text)
    return any(_HUM.fullmatch(word) is None for word in folded(text).split())


def _is_farewell(words: list[str]) -> bool:
    ends = {0}  # so many words from the beginning are phrases
    for begin in range(len(words)):
        if begin in ends:
            for end in range(begin + 1, min(begin + _LONGEST, len(words)) + 1):
                phrase = " ".join(words[begin:end])
                if phrase in BACKCHANNELS or _PHRASE.fullmatch(phrase):
                    ends.add(end)
    return len(words) in ends
