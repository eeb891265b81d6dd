"""What answering people and machines say, in four languages: the text behind the clips.

A tuple is one utterance; its parts are separated by the pauses of somebody reading it out. A person's answer is one
part per turn. Nothing here is used by the product: `media.answer.phrases` was written without the held-out third.
"""

from typing import Final

Phrase = tuple[str, ...]

HUMAN: Final[dict[str, tuple[Phrase, ...]]] = {
    "en": (
        ("Hello?",),
        ("Hello.",),
        ("Yes?",),
        ("Hi.",),
        ("Yeah?",),
        ("Hello, who's this?",),
        ("Hi, this is Anna.",),
        ("Smith residence, Anna speaking.",),
        ("Tom Baker.",),
        ("Good morning.",),
        ("Hello?", "Hello?"),
        ("Hello?", "Is anybody there?"),
        ("Sorry, he is not available right now.",),
        ("Speaking.",),
        ("Who is calling?",),
        ("Good afternoon, Miller and Sons, Julia speaking, how can I help you?",),
        ("This is Peter.",),
        ("Just a second, please.",),
        ("Good morning, Green Garden restaurant, what can I do for you?",),
        ("Yes, hello?",),
        ("Doctor Brown's office, how may I help you?",),
        ("Hello, she's not here at the moment, can I take a message?",),
        ("Hey.", "What's up?"),
        ("Reception, good evening.",),
        ("Hello, Martha here.",),
        ("Front desk.",),
    ),
    "de": (
        ("Hallo?",),
        ("Ja?",),
        ("Müller.",),
        ("Ja, hallo?",),
        ("Schmidt, guten Tag.",),
        ("Anna Becker.",),
        ("Guten Morgen.",),
        ("Praxis Doktor Weber, guten Tag, was kann ich für Sie tun?",),
        ("Hallo, wer ist da?",),
        ("Schneider am Apparat.",),
        ("Er ist gerade nicht da, kann ich etwas ausrichten?",),
        ("Grüß Gott, Gasthof Adler.",),
        ("Moment bitte.",),
    ),
    "fr": (
        ("Allô?",),
        ("Oui, allô?",),
        ("Oui?",),
        ("Bonjour.",),
        ("Allô, c'est qui?",),
        ("Cabinet Martin, bonjour.",),
        ("Il n'est pas là pour le moment.",),
        ("Oui, bonjour, Claire à l'appareil.",),
    ),
    "es": (
        ("¿Diga?",),
        ("¿Hola?",),
        ("¿Sí?",),
        ("Dígame.",),
        ("Hola, buenos días.",),
        ("¿Bueno?",),
        ("¿Quién es?",),
        ("Restaurante El Sol, buenas tardes, ¿en qué puedo ayudarle?",),
        ("No está en este momento.",),
    ),
}

MACHINE: Final[dict[str, tuple[Phrase, ...]]] = {
    "en": (
        ("You have reached the voicemail of Anna Smith.", "Please leave your name and number after the tone."),
        ("Hi, this is Tom.", "I can't come to the phone right now, so please leave a message after the beep."),
        ("The person you are calling is not available.", "Please record your message after the tone."),
        (
            "Hello.",
            "You've reached Miller and Sons.",
            "Our office is closed.",
            "Please leave a message and we will call you back.",
        ),
        (
            "Your call has been forwarded to an automated voice message system.",
            "At the tone, please record your message.",
            "When you have finished recording, you may hang up.",
        ),
        (
            "Hey, it's Julia.",
            "Sorry I missed you.",
            "Leave me a message and I'll get back to you as soon as I can.",
        ),
        (
            "Thank you for calling Green Garden restaurant.",
            "We are open Tuesday to Sunday from five to eleven.",
            "Please leave a message after the signal.",
        ),
        ("The subscriber you have dialed is not answering.", "Please leave your message after the tone."),
        (
            "This is the mailbox of extension four five two.",
            "Nobody is available to take your call.",
            "Please leave a message.",
        ),
        (
            "We're not home right now.",
            "Leave your name, your number and the time you called, and we will get back to you.",
        ),
        ("Hi, you've got Peter's phone.", "I'm either away from my desk or on another call.", "Leave a message."),
        (
            "Welcome to the voice mailbox of Doctor Brown.",
            "Our office hours are Monday to Friday nine to four.",
            "In an emergency call nine one one.",
        ),
        (
            "Hello, you have reached the Baker family.",
            "We can't get to the phone, please leave a message at the beep.",
            "Thanks, bye.",
        ),
        (
            "I'm sorry, but the person you called has a voice mailbox that has not been set up yet.",
            "Please try again later.",
            "Goodbye.",
        ),
    ),
    "de": (
        (
            "Hallo, hier ist der Anrufbeantworter von Familie Schmidt.",
            "Wir sind leider nicht zu Hause.",
            "Bitte hinterlassen Sie eine Nachricht nach dem Signalton.",
        ),
        (
            "Der gewünschte Gesprächspartner ist zur Zeit nicht erreichbar.",
            "Bitte sprechen Sie Ihre Nachricht nach dem Ton.",
        ),
        (
            "Guten Tag, hier ist die Mailbox von Anna Becker.",
            "Ich rufe Sie gerne zurück.",
            "Bitte sprechen Sie nach dem Piep.",
        ),
        (
            "Praxis Doktor Weber.",
            "Sie rufen außerhalb unserer Sprechzeiten an.",
            "Unsere Sprechzeiten sind montags bis freitags von acht bis zwölf Uhr.",
        ),
        (
            "Willkommen bei der Mobilbox.",
            "Der Teilnehmer kann Ihren Anruf im Moment nicht entgegennehmen.",
            "Hinterlassen Sie eine Nachricht.",
        ),
    ),
    "fr": (
        (
            "Bonjour, vous êtes bien sur la messagerie de Claire Martin.",
            "Merci de laisser un message après le bip sonore.",
        ),
        (
            "Votre correspondant n'est pas disponible pour le moment.",
            "Veuillez laisser votre message après le signal sonore.",
        ),
        (
            "Bonjour, je ne peux pas vous répondre actuellement.",
            "Laissez-moi un message et je vous rappellerai dès que possible.",
        ),
        ("Vous êtes sur le répondeur de la famille Dubois.", "Nous sommes absents.", "Parlez après le bip."),
    ),
    "es": (
        ("Hola, ha llamado al buzón de voz de Carlos García.", "Deje su mensaje después de la señal."),
        ("El número que ha marcado no está disponible.", "Por favor, deje un mensaje después del tono."),
        ("Hola, ahora no puedo atenderte.", "Déjame un mensaje y te llamaré en cuanto pueda."),
        (
            "Este es el contestador automático de Restaurante El Sol.",
            "Nuestro horario es de doce a once de la noche.",
        ),
    ),
}

IVR: Final[dict[str, tuple[Phrase, ...]]] = {
    "en": (
        (
            "Thank you for calling City Bank.",
            "For accounts, press one.",
            "For credit cards, press two.",
            "To speak to an agent, press zero.",
        ),
        (
            "Welcome to Northern Airlines.",
            "Please listen carefully as our menu options have changed.",
            "For new bookings, press one.",
            "For existing bookings, press two.",
        ),
        (
            "Your call may be recorded for quality purposes.",
            "If you know your party's extension, please dial it now.",
            "For sales, press one.",
            "For support, press two.",
        ),
        (
            "Hello, and welcome to Central Hospital.",
            "To make an appointment, say appointment or press one.",
            "To reach the pharmacy, press three.",
        ),
        (
            "You have reached the main menu.",
            "Press one for opening hours.",
            "Press two for directions.",
            "To repeat this menu press star.",
        ),
        ("For English, press one.", "Para español, marque el dos."),
        ("Please enter your customer number followed by the pound key.",),
        (
            "In a few words, please tell me what you are calling about.",
            "You can say things like billing or technical support.",
        ),
    ),
    "de": (
        (
            "Herzlich willkommen bei der Stadtwerke Hotline.",
            "Für Fragen zum Vertrag drücken Sie die eins.",
            "Für Störungen drücken Sie die zwei.",
        ),
        (
            "Guten Tag bei der Nordbank.",
            "Bitte wählen Sie die eins für Konten.",
            "Bitte wählen Sie die zwei für Karten.",
            "Für einen Mitarbeiter die null.",
        ),
        ("Bitte geben Sie Ihre Kundennummer ein und bestätigen Sie mit der Rautetaste.",),
    ),
    "fr": (
        (
            "Bienvenue à la banque du Nord.",
            "Pour vos comptes, tapez un.",
            "Pour vos cartes, tapez deux.",
            "Pour parler à un conseiller, tapez zéro.",
        ),
        (
            "Bonjour et bienvenue.",
            "Pour le service commercial, appuyez sur la touche un.",
            "Pour le service technique, appuyez sur la touche deux.",
        ),
    ),
    "es": (
        (
            "Bienvenido al Banco del Norte.",
            "Para cuentas, marque uno.",
            "Para tarjetas, marque dos.",
            "Para hablar con un agente, marque cero.",
        ),
        ("Gracias por llamar.", "Para ventas, presione uno.", "Para soporte, presione dos."),
    ),
}

SCREENING: Final[dict[str, tuple[Phrase, ...]]] = {
    "en": (
        (
            "Hi, the person you're calling is using a screening service, and will get a copy of this conversation.",
            "Go ahead and say your name and why you're calling.",
        ),
        ("Please state your name and why you are calling.",),
        ("Hi, if you record your name and reason for calling, I'll see if this person is available.",),
        (
            "The person you are trying to reach does not accept calls from unknown callers.",
            "Please say your name after the tone and stay on the line.",
        ),
        ("Before I try to connect you, can you tell me who is calling and what this is about?",),
        (
            "This call is being screened by an assistant.",
            "Please tell me who you are and the reason for your call.",
        ),
    ),
    "de": (
        (
            "Der Angerufene verwendet einen Dienst zur Anrufprüfung.",
            "Bitte nennen Sie Ihren Namen und den Grund Ihres Anrufs.",
        ),
        ("Wenn Sie Ihren Namen und den Grund für Ihren Anruf aufnehmen, frage ich, ob die Person verfügbar ist.",),
    ),
    "fr": (
        (
            "Votre correspondant utilise un service de filtrage d'appels.",
            "Dites votre nom et la raison de votre appel.",
        ),
        ("Veuillez indiquer votre nom et le motif de votre appel.",),
    ),
    "es": (
        (
            "La persona a la que llama usa un servicio de filtrado de llamadas.",
            "Diga su nombre y el motivo de su llamada.",
        ),
        ("Por favor, indique quién llama y por qué motivo.",),
    ),
}

QUEUE: Final[dict[str, tuple[Phrase, ...]]] = {
    "en": (
        ("All our agents are busy at the moment.", "Please hold the line."),
        ("Your call is important to us.", "Please stay on the line."),
        ("Please hold while I transfer you.",),
        ("You are number three in the queue.",),
    ),
    "de": (
        ("Alle Mitarbeiter sind im Gespräch.", "Bitte haben Sie einen Moment Geduld."),
        ("Bitte bleiben Sie in der Leitung.",),
    ),
    "fr": (("Tous nos conseillers sont en ligne.", "Veuillez patienter."), ("Ne quittez pas.",)),
    "es": (("Todos nuestros agentes están ocupados.", "Por favor, espere."), ("No cuelgue, por favor.",)),
}

NETWORK: Final[tuple[Phrase, ...]] = (
    ("The number you have dialed is not in service.", "Please check the number and dial again."),
    ("We're sorry, your call cannot be completed as dialed.",),
    ("All circuits are busy now.", "Please try your call again later."),
)

VOICES: Final[dict[str, tuple[str, ...]]] = {
    "en": (
        "en-us+m1",
        "en-us+m3",
        "en-us+m7",
        "en-us+f1",
        "en-us+f2",
        "en-us+f4",
        "en-us+Annie",
        "en-us+Michael",
        "en-gb+m2",
        "en-gb+m4",
        "en-gb+f3",
        "en-gb+f5",
        "en-gb-scotland+m5",
        "en-gb-x-rp+f2",
        "en-us+Alicia",
        "en-gb+steph",
        "en-us+klatt2",
        "en-us+john",
        "en-029+m6",
        "en-us+anika",
        "en-us+Andy",
    ),
    "de": ("de+m1", "de+m3", "de+m7", "de+f1", "de+f2", "de+f4", "de+anika", "de+klatt4", "de+Annie"),
    "fr": ("fr-fr+m1", "fr-fr+m4", "fr-fr+f2", "fr-fr+f5", "fr-fr+klatt2", "fr-fr+anika"),
    "es": ("es+m2", "es+m7", "es+f1", "es+f3", "es-419+m4", "es-419+f5"),
}
