"""What the demo's look-ups know: a small town whose telephone numbers nobody owns."""

from app.sim.text.lookups import Page, Place

_HOURS = "Monday to Sunday 12:00-23:00"
TOWN = (
    Place(
        name="Trattoria Stazione", phone="+1 555 2000 500", address="1 Station Square", hours=_HOURS,
        kinds=("italian", "restaurant", "trattoria", "pizzeria"),
    ),
    Place(
        name="Osteria Luna", phone="+1 555 2000 041", address="12 Mill Lane", hours=_HOURS,
        kinds=("italian", "restaurant", "trattoria"),
    ),
    Place(
        name="Bistro Ann", phone="+1 555 2000 017", address="3 Market Place", hours=_HOURS,
        kinds=("restaurant", "bistro"),
    ),
    Place(
        name="Dental Practice Dr. Weiss", phone="+1 555 2001 500", address="7 Park Road",
        hours="Monday to Friday 08:00-17:00", kinds=("dentist", "dental", "doctor"),
    ),
    Place(
        name="Garage Miller", phone="+1 555 2002 500", address="44 Ring Road",
        hours="Monday to Friday 07:30-18:00", kinds=("garage", "car"),
    ),
)  # fmt: skip
PAGES = (
    Page(
        url="https://town.example/events",
        title="Events this week",
        text="The market is open on Saturday from eight to one. Library closed on Monday.",
    ),
)
