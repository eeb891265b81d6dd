"""The words in which people ask not to be called again, by language, and what only sounds like it.

Rules see text as `app.domain.analysis.opt_out` makes it: lower case, without accents and signs, one blank between words.
"""

import re

_NEVER = r"(?:never|never ever|not ever|don t ever|do not ever|don t you ever)"
_DONT = r"(?:don t|do not|dont|please not|not|stop|quit|cease|no more)"
_NOT_NOW = r"(?:now|today|tonight|tomorrow|yet|here)"
"""After a bare "not" these end a sentence; what follows is a wish of its own ("not now, call me on Friday")."""
_ME = r"(?:me|us|here|this number|my number|this phone|my phone|my house|my home|again|any ?more|ever)"
_CANNOT = r"(?:can t|cannot|can not|shouldn t|should not|must not|mustn t|not allowed to|no right to)"
_OFF = r"(?:taken|removed|deleted|struck|scratched) (?:off|from|out of)(?: of)? (?:your|this|the|every|any|all)"
_LISTED = r"(?:list|lists|system|database|records?|file|files|contacts?)"
_CALMLY = (
    r"(?! (?:\w+ ){0,3}?(?:ueberlegen|uberlegen|nachdenken|nachsehen|nachschauen|ausreden|anschauen|ansehen|durchlesen"
    r"|lesen|pruefen|prufen|besprechen|entscheiden|arbeiten|essen)\b)"
)
"""What somebody wants to do in peace."""

RULES: dict[str, tuple[str, ...]] = {
    "en": (
        r"\b(?:stop|quit|cease) (?:(?:ever|all|your|this|these|the|with|from|damn|bloody|always|constantly) ){0,2}(?:calling|phoning|ringing|contacting|bothering|harassing|bugging)\b",
        rf"\b{_DONT} (?:you dare )?(?:(?!(?<=\bnot )(?<!\bdo not ){_NOT_NOW} )\w+ )?(?:call|phone|ring|contact|dial|bother) (?:\w+ ){{0,2}}?{_ME}\b",
        rf"\b{_NEVER} (?:call|phone|ring|contact|dial)\b",
        r"\b(?:take|remove|delete|get|scratch|strike) (?:me|us|my (?:\w+ )?number|my name|this number|our number) (?:off|from|out)\b(?! (?:hold|mute|speaker|the speaker|loudspeaker|the phone))",
        r"(?<!\bnot )(?<!\bdon t )(?<!\bdidn t )(?<!\bnever )\b(?:remove|delete|erase|lose|forget) (?:my|this|our) (?:phone )?number\b",
        r"\bput (?:me|us|this number|my number) on (?:your|the|a) (?:do not|don t|no|internal do not) call\b",
        r"\bdo not call (?:list|register|registry)\b",
        r"\b(?:i|we) (?:don t|do not|no longer|never) (?:ever )?(?:want|wish|like) (?:to be|any(?: more)?|these|your|more) (?:\w+ )?(?:call|calls|called|contacted|phoned)\b",
        r"\b(?:i|we) (?:don t|do not) want (?:you|anyone|anybody|this|them) (?:\w+ )?(?:to )?(?:call|calling|contact|contacting|phone)\b",
        r"\b(?:i|we) (?:don t|do not) want to hear from (?:you|any|these|your|more|another)\b",
        r"\b(?:i|we) (?:don t|do not|no longer) (?:want|wish|like|care) to (?:receive|get|have) (?:\w+ ){0,3}?calls?\b",
        r"\b(?:don t|do not|never|didn t|did not) consent(?:ed)? to (?:\w+ ){0,3}?(?:calls?|called|calling|contact\w*)\b(?! (?:being |to be )?record)",
        r"\bno (?:more|further) (?:phone )?calls\b",
        r"\b(?:stop|cease|quit) (?:with )?(?:(?:all|these|the|those|your) )+(?:\w+ )?calls\b",
        rf"\b{_CANNOT} (?:keep|continue|go on) (?:calling|phoning|ringing) (?:me|us|here|this|my|our)\b",
        rf"\b{_CANNOT} (?:call|phone|ring|contact) (?:me|us|here|this number) (?:\w+ ){{0,2}}?(?:again|any ?more)\b",
        r"\bunsubscribe\b",
        r"\b(?:opt|opting) (?:me |us )?out\b(?! of (?:\w+ ){0,3}?(?:record\w*|tap(?:ed?|ing)))",
        r"\b(?:revoke|withdraw|retract) (?:my |our )?consent\b",
        r"\blose (?:my|this) number\b",
        r"\b(?:i am|i m|we are|we re|number is|this is) on the (?:national )?(?:do not|don t) call\b",
        r"\bleave (?:me|us) alone\b",
        r"\bi (?:already )?(?:told|asked) (?:you|you people|you guys|them) (?:not to|to stop) (?:call|phon|contact|calling)",
        r"\b(?:i d|i would|we d|we would) (?:rather|prefer) (?:you )?(?:not|didn t|did not|never) (?:to )?(?:be )?(?:call|called|contact|contacted|phone)",
        r"\bdelete (?:me|us|my data|my details|my information)\b",
        rf"\b(?:me|my number|this number|want) off (?:of )?(?:your|the|this|every) (?:\w+ )?{_LISTED}\b",
        rf"\b(?:i|we)(?: \w+){{0,4}} (?:be|get) {_OFF} (?:\w+ )?{_LISTED}\b",
        rf"\b(?:me|us|my number|this number) (?:be )?{_OFF} (?:\w+ )?{_LISTED}\b",
    ),
    "de": (
        r"\b(?:rufen|ruf|ruft) (?:sie |ihr )?(?:mich |uns |hier |bitte |diese nummer |bloss |ja )*(?:nie|nicht|niemals|keinesfalls) (?:mehr|wieder|noch einmal|nochmal|mehr wieder)\b",
        r"\b(?:belaestigen|belastigen|kontaktieren|stoeren|storen) (?:sie )?(?:mich|uns) (?:bitte )?(?:nicht|nie|niemals) (?:mehr|wieder)\b",
        r"\bnie(?:mals)? (?:mehr|wieder) an(?:rufen|gerufen)?\b",
        r"\b(?:nicht|nie|niemals|keine?) (?:mehr|wieder|weiteren?) (?:an(?:rufen|gerufen)|kontaktier\w*|belaestig\w*|belastig\w*|anrufe?)\b",
        r"\bkeine (?:weiteren |solchen )?(?:werbe)?anrufe\b",
        r"\bkein (?:einziger |weiterer )?anruf mehr\b",
        r"\b(?:hoeren|horen|hor|hoer) (?:sie )?(?:bitte )?(?:endlich )?auf(?: \w+){0,3} (?:anzurufen|zu belaestigen|zu belastigen|mit (?:den|diesen|ihren) anrufen)\b",
        r"\b(?:loeschen|loschen|losch|streichen|entfernen) (?:sie )?(?:bitte )?(?:mich|uns|meine (?:telefon)?nummer|diese nummer|meine daten|unsere nummer)\b",
        r"\bnehmen (?:sie )?(?:bitte )?(?:mich|uns|meine (?:telefon)?nummer|diese nummer|meine daten|unsere nummer) (?:bitte |endlich |sofort )?(?:von|aus|raus|heraus|runter|herunter)\b",
        r"\b(?:sperrliste|robinsonliste|robinson liste)\b",
        rf"\b(?:lassen sie|lasst?) (?:mich|uns) (?:bitte |endlich )?in ruhe\b{_CALMLY}",
        r"\b(?:moechte|mochte|will|wuensche|wunsche) (?:\w+ )?nicht (?:mehr )?dass (?:sie|ihr|du|man|jemand) (?:mich|uns|hier) (?:bitte )?(?:(?:noch einmal|nochmal|nochmals|noch mal|noch|wieder|je|jemals|nie|weiter|weiterhin|staendig|standig|dauernd|immer) )*(?:an|kontaktier|belaestig|belastig)\w*",
        r"\b(?:widerrufe|widerruf) (?:hiermit )?(?:meine )?(?:einwilligung|zustimmung)\b",
        r"\b(?:moechte|mochte|will) (?:\w+ ){0,3}(?:nicht|nie|keine) (?:mehr |weiteren )?(?:\w+ ){0,2}(?:angerufen|kontaktiert|belaestigt|belastigt|anrufe)\b",
    ),
    "fr": (
        r"\bne (?:me |nous |m )?(?:rappelez|appelez|telephonez|contactez|recontactez|rappelle|appelle|appeler|rappeler|contacter) (?:plus|jamais|pas)\b",
        r"\bn appelez (?:plus|jamais)\b",
        r"\b(?:arretez|cessez|arrete) (?:de |d )?(?:me |m |nous )?(?:appeler|telephoner|contacter|harceler|deranger)\b",
        r"\b(?:retirez|enlevez|supprimez|effacez|rayez|otez) (?:moi|nous|mon numero|ce numero|mon nom|mes donnees|mes coordonnees)\b",
        r"\b(?:ne )?(?:veux|souhaite|voulons|desire) (?:plus|pas) (?:jamais )?(?:etre |d etre |que vous |recevoir )?(?:appele|appelee|contacte|contactee|m appel|me contact|d appel|vos appel)",
        r"\bplus (?:jamais )?d appels?\b",
        r"\bbloctel\b",
        r"\b(?:laissez|laisse|foutez) (?:moi|nous) (?:tranquille|en paix|la paix)\b",
        r"\b(?:liste|listes) (?:rouge|d opposition)\b",
    ),
    "es": (
        r"\bno (?:me |nos )?(?:vuelva|vuelvan|vuelvas) a (?:llamar|contactar|molestar)",
        r"\bno (?:me |nos )?(?:llame|llamen|llames|contacte|contacten|moleste|molesten) (?:\w+ )?(?:mas|nunca|otra vez|de nuevo|jamas)\b",
        r"\bno (?:quiero|queremos|deseo) (?:que (?:me |nos )?(?:llamen|llame|contacten|vuelvan)|(?:recibir )?(?:mas )?llamadas|ser llamad)",
        r"\b(?:dejen|deje|deja|paren|pare) de (?:llamar|molestar|contactar)",
        r"\b(?:borre|borren|elimine|eliminen|quite|quiten|saque|saquen)(?:me|nos)? (?:de (?:la|su|esta|sus) (?:lista|base|listas)|mi numero|este numero|mis datos)\b",
        r"\b(?:borreme|eliminenme|quitenme|saquenme|quiteme|saqueme)\b",
        r"\blista robinson\b",
        r"\bdejen?me en paz\b",
        r"\bni una llamada mas\b",
    ),
    "it": (
        r"\bnon (?:mi |ci )?(?:chiamate|chiami|richiamate|richiami|contattate|telefonate|chiamatemi|chiamateci|chiamarmi) (?:mai )?(?:piu|mai)\b",
        r"\b(?:smettete|smetta|smettetela|basta) (?:di |con )?(?:le |queste )?(?:chiamar|telefonar|contattar|disturbar|chiamate|telefonate)",
        r"\b(?:cancellate|cancelli|togliete|rimuovete|eliminate)(?:mi|ci)? (?:dalla|dalle|il mio numero|questo numero|i miei dati)\b",
        r"\bnon voglio (?:piu )?(?:essere (?:chiamat|contattat)|ricevere|altre) ?(?:\w+ )?(?:chiamat|telefonat)?",
        r"\bregistro delle opposizioni\b",
        r"\blasciatemi (?:stare|in pace)\b",
    ),
    "nl": (
        r"\b(?:bel|belt|bellen) (?:\w+ ){0,3}(?:nooit|niet) (?:meer|nog|weer)\b",
        r"\bniet (?:meer|nog een keer|weer) (?:te )?(?:bellen|gebeld|contacteren|opbellen)\b",
        r"\b(?:verwijder|schrap|wis) (?:mij|me|mijn nummer|dit nummer|ons|mijn gegevens)\b",
        r"\bhaal (?:mij|me|mijn nummer|dit nummer|ons|mijn gegevens) (?:\w+ )?(?:van|uit)\b",
        r"\b(?:stop|hou op|houd op) met (?:\w+ )?(?:bellen|opbellen|lastigvallen)\b",
        r"\bbel me niet register\b",
        r"\blaat (?:me|mij|ons) met rust\b",
        r"\bgeen (?:telefoontjes|oproepen) meer\b",
    ),
    "pt": (
        r"\bnao (?:me |nos )?(?:ligue|liguem|ligues|contacte|contactem|telefone|telefonem|ligar) (?:\w+ )?(?:mais|nunca|de novo|outra vez)\b",
        r"\bnao volte[m]? a (?:ligar|contactar|telefonar)",
        r"\b(?:pare|parem|para) de (?:me )?(?:ligar|telefonar|contactar|incomodar)",
        r"\b(?:retire|retirem|remova|removam|tire|tirem|apague|apaguem)(?: me)? (?:da (?:sua )?lista|o meu numero|meu numero|este numero|os meus dados|meus dados)\b",
        r"\bnao quero (?:mais )?(?:receber|ser|que (?:me )?lig)",
        r"\bdeixe[m]? me em paz\b",
    ),
    "pl": (r"\bprosze (?:wiecej |juz )?(?:do mnie |tu )?(?:wiecej )?nie dzwonic\b",),
    "tr": (r"\b(?:beni|bizi) bir daha aramayin\b",),
}
_RATHER_NOT = r"(?:rather|prefer) (?:you )?(?:not|didn t|did not) (?:to )?(?:be )?"
_CALL_ME = (
    rf"\b(?:(?:don t|do not|dont) (?:want you (?:to )?)?|{_RATHER_NOT})(?:call|phone|ring)(?:ed)? (?:me |us )?"
)
EXCEPT = (
    # A time, a name, a condition, or the opposite: the same words, and nobody wants to be left alone.
    rf"(?P<hour>{_CALL_ME}(?:before|after|until|till|between|during|so (?:early|late)|too (?:early|late)|while"
    r"|at (?:night|\d)|on (?:mon|tues|wednes|thurs|fri|satur|sun)|today|tomorrow|tonight|right now|now"
    r"|in the (?:early |late )?(?:morning|afternoon|evening|night)|in the next (?:\w+ )?(?:minute|hour|day|week)"
    r"|later than|earlier than|this (?:morning|afternoon|evening|week)))"
    rf"|(?P<place>{_CALL_ME}(?:at (?:work|the office)|on (?:my|the|a))\b)"
    r"|\b(?:don t|do not|dont) call me (?:bob|sir|madam|ma am|mister|mr|mrs|miss|darling|honey|names|crazy|old|stupid|a )"
    r"|\bdon t (?:hesitate|forget) to (?:call|phone|ring|contact)\b"
    r"|\bif you (?:(?:don t|do not|wouldn t|would not) mind|(?:re|are) not)\b"
    r"|\b(?:never|don t|didn t|did not|haven t|not) (?:\w+ )?(?:called|phoned|rang) (?:me |us )?(?:back)\b"
    r"|\bwhy (?:don t|do|did|didn t) you\b"
    r"|\bnicht (?:vor|nach|zwischen) \w+(?: uhr)? an(?:rufen)?\b"
    r"|\b(?:rufen|ruf) (?:sie )?(?:mich )?(?:bitte )?nicht (?:vor|nach|morgen|heute|am|so frueh|so fruh|so spaet|so spat)\b"
    r"|\bne (?:m |me |nous )?(?:r?appelez|telephonez|(?:re)?contactez) pas (?:avant|apres|le|la|ce|cette|demain|aujourd|maintenant|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|si tot|si tard|au travail|au bureau)\b"
    r"|\bno (?:me |nos )?llamen? mas (?:tarde|hoy|temprano)\b"
    r"|\bnon (?:mi |ci )?(?:ri)?chiam\w+ piu (?:tardi|oggi|presto)\b"
    r"|\bnao (?:me |nos )?liguem? mais (?:tarde|hoje|cedo)\b"
    r"|\bbel (?:\w+ ){0,3}niet meer (?:vandaag|vanavond|nu|vanmiddag|vanochtend)\b"
    r"|\bno me llame (?:antes|despues|manana|hoy|tan)\b"
)
_SAME_CLAUSE = r"(?:(?!\b(?:call|ring|try|talk)\b)[^,])*\b"
_EVER = r"ever\b(?! since)"
_OR_EVER = rf"|[^,]*,(?: or| not)? {_EVER}"
_ANOTHER_WAY = r"(?!.*\b(?:use|try|instead|email|text me)\b)"
AFTER_ALL = {
    "hour": re.compile(rf"{_SAME_CLAUSE}{_EVER}{_OR_EVER}"),
    "place": re.compile(rf"{_ANOTHER_WAY}(?:{_SAME_CLAUSE}(?:again\b|any ?more\b|future\b|{_EVER}){_OR_EVER})"),
}
"""What follows an exception of this kind and leaves none: "not at work, ever". "Not so late in future" is one still,
and so is "not at work any more, use my mobile".
"""
UNSPACED = ("别再打", "不要再打", "もう電話しない", "二度と電話")
"""Languages without blanks: looked for as they are written."""
_DIGIT = r"(?:zero|one|two|three|four|five|six|seven|eight|nine|\d|star|pound|hash)"
MENU = (
    rf"(?<!i )(?<!had to )(?<!have to )(?<!me )\bpress (?:or say )?(?:the )?(?:(?:key|number|button) )?{_DIGIT}\b"
    r"|\bdrucken sie (?:bitte )?(?:die|eine|auf|bitte|taste|jetzt|stern|raute|\d)"
    r"|\b(?:appuyez sur|tapez|faites le) (?:la |le )?(?:touche |chiffre )?\w+"
    r"|\b(?:pulse|oprima|marque|presione) (?:el |la |tecla |numero )*(?:cero|uno|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|\d|asterisco)\b"
    r"|\b(?:prema|premere|digiti|digitare) (?:il |lo |tasto )*(?:zero|uno|due|tre|quattro|cinque|sei|sette|otto|nove|\d|asterisco)\b"
    r"|\b(?:toets|druk op) (?:een )?(?:de )?(?:nul|een|twee|drie|vier|vijf|zes|zeven|acht|negen|\d|sterretje|hekje)\b"
    r"|\b(?:pressione|tecle|digite|marque) (?:a |o |tecla )*(?:zero|um|dois|tres|quatro|cinco|seis|sete|oito|nove|\d|asterisco)\b"
)
"""A machine offers it by key: "to be removed from our list, press nine". Nobody has asked for anything."""
