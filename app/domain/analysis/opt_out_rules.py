"""The words in which people ask not to be called again, by language, and what only sounds like it.

Rules see text as `app.domain.analysis.opt_out` makes it: lower case, without accents and signs, one blank between words.
"""

_NEVER = r"(?:never|not ever|don t ever|do not ever)"
_DONT = r"(?:don t|do not|dont|please not|not|stop|quit|cease|no more)"
_ME = r"(?:me|us|here|this number|my number|this phone|my phone|my house|my home|again|any ?more|ever)"
_LISTED = r"(?:list|lists|system|database|records?|file|files|contacts?)"

RULES: dict[str, tuple[str, ...]] = {
    "en": (
        r"\b(?:stop|quit|cease) (?:(?:ever|all|your|this|these|the|with|from|damn|bloody|always|constantly) ){0,2}(?:calling|phoning|ringing|contacting|bothering|harassing|bugging)\b",
        rf"\b{_DONT} (?:you dare )?(?:\w+ )?(?:call|phone|ring|contact|dial|bother) (?:\w+ ){{0,2}}?{_ME}\b",
        rf"\b{_NEVER} (?:call|phone|ring|contact|dial)\b",
        r"\b(?:take|remove|delete|get|scratch|strike) (?:me|us|my (?:\w+ )?number|my name|this number|our number) (?:off|from|out)\b(?! (?:hold|mute|speaker|the speaker|loudspeaker|the phone))",
        r"\b(?:take|remove|delete|erase|lose|forget) (?:my|this|our) (?:phone )?number\b",
        r"\bput (?:me|us|this number|my number) on (?:your|the|a) (?:do not|don t|no|internal do not) call\b",
        r"\bdo not call (?:list|register|registry)\b",
        r"\b(?:i|we) (?:don t|do not|no longer|never) (?:ever )?(?:want|wish|like) (?:to be|any(?: more)?|these|your|more) (?:\w+ )?(?:call|calls|called|contacted|phoned)\b",
        r"\b(?:i|we) (?:don t|do not) want (?:you|anyone|anybody|this|them) (?:\w+ )?(?:to )?(?:call|calling|contact|contacting|phone)\b",
        r"\b(?:i|we) (?:don t|do not) want to (?:hear from|receive|get) (?:you|any|these|your|more|another)\b",
        r"\bno (?:more|further) (?:phone )?calls\b",
        r"\bunsubscribe\b",
        r"\b(?:opt|opting) (?:me |us )?out\b",
        r"\b(?:revoke|withdraw|retract) (?:my |our )?consent\b",
        r"\blose (?:my|this) number\b",
        r"\b(?:i am|i m|we are|we re|number is|this is) on the (?:national )?(?:do not|don t) call\b",
        r"\bleave (?:me|us) alone\b",
        r"\bi (?:already )?(?:told|asked) (?:you|you people|you guys|them) (?:not to|to stop) (?:call|phon|contact|calling)",
        r"\b(?:i d|i would|we d|we would) (?:rather|prefer) (?:you )?(?:not|didn t|did not|never) (?:to )?(?:be )?(?:call|called|contact|contacted|phone)",
        r"\bdelete (?:me|us|my data|my details|my information)\b",
        rf"\b(?:me|my number|this number) off (?:of )?(?:your|the|this|every) (?:\w+ )?{_LISTED}\b",
    ),
    "de": (
        r"\b(?:rufen|ruf|ruft) (?:sie |ihr )?(?:mich |uns |hier |bitte |diese nummer |bloss |ja )*(?:nie|nicht|niemals|keinesfalls) (?:mehr|wieder|noch einmal|nochmal|mehr wieder)\b",
        r"\b(?:belaestigen|belastigen|kontaktieren|stoeren|storen) (?:sie )?(?:mich|uns) (?:bitte )?(?:nicht|nie|niemals) (?:mehr|wieder)\b",
        r"\bnie(?:mals)? (?:mehr|wieder) an(?:rufen|gerufen)?\b",
        r"\b(?:nicht|nie|niemals|keine?) (?:mehr|wieder|weiteren?) (?:an(?:rufen|gerufen)|kontaktier\w*|belaestig\w*|belastig\w*|anrufe?)\b",
        r"\bkeine (?:weiteren |solchen )?(?:werbe)?anrufe\b",
        r"\b(?:hoeren|horen|hor|hoer) (?:sie )?(?:bitte )?(?:endlich )?auf(?: \w+){0,3} (?:anzurufen|zu belaestigen|zu belastigen|mit (?:den|diesen|ihren) anrufen)\b",
        r"\b(?:loeschen|loschen|losch|streichen|entfernen|nehmen) (?:sie )?(?:bitte )?(?:mich|uns|meine (?:telefon)?nummer|diese nummer|meine daten|unsere nummer)\b",
        r"\b(?:sperrliste|robinsonliste|robinson liste)\b",
        r"\blassen sie (?:mich|uns) (?:bitte |endlich )?in ruhe\b",
        r"\blass(?:t)? (?:mich|uns) (?:bitte |endlich )?in ruhe\b",
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
        r"\b(?:haal|verwijder|schrap|wis) (?:mij|me|mijn nummer|dit nummer|ons|mijn gegevens)\b",
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
EXCEPT = (
    # A time, a name, a condition, or the opposite: the same words, and nobody wants to be left alone.
    r"\b(?:don t|do not|dont) (?:call|phone|ring) (?:me |us )?(?:before|after|until|till|between|during|so (?:early|late)|too (?:early|late)"
    r"|at (?:work|night|the office|\d)|on (?:my|the|a|mon|tues|wednes|thurs|fri|satur|sun)|in the|today|tomorrow|tonight|now|right now"
    r"|later than|earlier than|this (?:morning|afternoon|evening|week)|while)\b"
    r"|\b(?:don t|do not|dont) call me (?:bob|sir|madam|ma am|mister|mr|mrs|miss|darling|honey|names|crazy|old|stupid|a )"
    r"|\bdon t (?:hesitate|forget) to (?:call|phone|ring|contact)\b"
    r"|\b(?:never|don t|didn t|did not|haven t|not) (?:\w+ )?(?:called|phoned|rang) (?:me |us )?(?:back)\b"
    r"|\bwhy (?:don t|do|did|didn t) you\b"
    r"|\bnicht (?:vor|nach|zwischen) \w+(?: uhr)? an(?:rufen)?\b"
    r"|\b(?:rufen|ruf) (?:sie )?(?:mich )?(?:bitte )?nicht (?:vor|nach|morgen|heute|am|so frueh|so fruh|so spaet|so spat)\b"
    r"|\bne (?:m |me )?appelez pas (?:avant|apres|le|demain|aujourd|si tot|si tard)\b"
    r"|\bno me llame (?:antes|despues|manana|hoy|tan)\b"
)
UNSPACED = ("别再打", "不要再打", "もう電話しない", "二度と電話")
"""Languages without blanks: looked for as they are written."""
