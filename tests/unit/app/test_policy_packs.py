"""Packs: those shipped are read and dated, errors name file and key, the strictest wins, tenants only tighten."""

from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.policy.merge import PolicyLoosened, loosened, merge, merge_all, tighten
from app.domain.policy.pack import WEEKDAYS, Abandonment, AttemptLimit, Match, Pack, Rules
from app.domain.policy.selection import Callee, policy_for
from app.domain.policy.week import DAY_MIN, joined
from app.errors import ConfigError
from app.policy_packs import DEFAULT_PACKS, PACKS_DIR, enabled_packs, load_overlay, load_packs, review_warnings

PACKS = load_packs()
WEEK = "\n".join(f'{day} = ["09:00-20:00"]' for day in WEEKDAYS)
MINIMAL = f"""
id = "mine"
version = "1"
reviewed_on = 2026-11-21
title = "Mine"
[match]
countries = ["US"]
[rules.hours]
{WEEK}
"""

spans = st.lists(
    st.integers(0, DAY_MIN - 1).flatmap(lambda start: st.tuples(st.just(start), st.integers(start + 1, DAY_MIN))),
    max_size=3,
).map(joined)
limits = st.builds(AttemptLimit, count=st.integers(1, 5), period_h=st.sampled_from((4, 24, 48, 720)))
rule_sets = st.builds(
    Rules,
    hours=st.dictionaries(st.sampled_from(WEEKDAYS), spans),
    holidays=st.none()
    | st.lists(st.sampled_from(("US", "FR", "DE-BY")), unique=True).map(lambda x: tuple(sorted(x))),
    max_attempts=st.lists(limits, max_size=3).map(tuple),
    cool_off_h=st.dictionaries(st.sampled_from(("refused", "silent")), st.integers(1, 99)),
    consent=st.dictionaries(
        st.sampled_from(("person", "business")),
        st.dictionaries(
            st.sampled_from(("marketing", "service")), st.sampled_from(("none", "express", "written"))
        ),
    ),
    list_max_age_days=st.dictionaries(
        st.just("marketing"), st.dictionaries(st.sampled_from(("tps", "dnc")), st.integers(1, 40))
    ),
    disclosure=st.dictionaries(
        st.sampled_from(("en", "fr")),
        st.lists(st.sampled_from(("a", "b", "c")), min_size=1, unique=True).map(lambda x: tuple(sorted(x))),
    ),
    recording=st.none() | st.sampled_from(("allowed", "announce", "consent", "never")),
    voicemail=st.none() | st.sampled_from(("allowed", "identified", "never")),
    caller_id=st.none() | st.sampled_from(((), ("presented",), ("presented", "owned"), ("reachable",))),
    abandonment=st.builds(
        Abandonment,
        max_percent=st.none() | st.sampled_from((1.0, 3.0)),
        min_ring_s=st.none() | st.sampled_from((10, 20)),
    ),
).map(lambda rules: merge(rules, rules))


@given(rule_sets, rule_sets, rule_sets)
def test_merging_does_not_depend_on_order(a: Rules, b: Rules, c: Rules) -> None:
    assert merge(a, b) == merge(b, a)
    assert merge(merge(a, b), c) == merge(a, merge(b, c))
    assert merge(a, a) == a
    assert merge(a, Rules()) == a
    assert merge_all([c, a, b]) == merge_all([a, b, c, a])


@given(rule_sets, rule_sets)
def test_what_is_merged_may_be_laid_on_top(a: Rules, b: Rules) -> None:
    both = merge(a, b)
    assert loosened(a, both) == []
    assert tighten(a, both) == both


@given(rule_sets, rule_sets)
def test_tightening_raises_or_only_restricts(base: Rules, overlay: Rules) -> None:
    if loosened(base, overlay):
        with pytest.raises(PolicyLoosened) as caught:
            tighten(base, overlay)
        assert caught.value.rules
        assert all(name in caught.value.message for name in caught.value.rules)
        return
    rules = tighten(base, overlay)
    for day in WEEKDAYS:
        opened = rules.hours.get(day, ((0, DAY_MIN),))
        before = base.hours.get(day, ((0, DAY_MIN),))
        assert merge(Rules(hours={day: opened}), Rules(hours={day: before})).hours[day] == joined(opened)
    assert merge(rules, base) == rules


@pytest.mark.parametrize(
    ("overlay", "name"),
    [
        (Rules(hours={"mon": ((480, 1200),)}), "hours.mon"),
        (Rules(hours={"sun": ((600, 720),)}), "hours.sun"),
        (Rules(holidays=()), "holidays"),
        (Rules(max_attempts=(AttemptLimit(count=4, period_h=24),)), "max_attempts"),
        (Rules(max_attempts=(AttemptLimit(count=3, period_h=12),)), "max_attempts"),
        (Rules(consent={"person": {"marketing": "express"}}), "consent.person.marketing"),
        (
            Rules(list_max_age_days={"marketing": {"us-national-dnc": 60}}),
            "list_max_age_days.marketing.us-national-dnc",
        ),
        (Rules(recording="allowed"), "recording"),
        (Rules(voicemail="allowed"), "voicemail"),
        (Rules(caller_id=("presented",)), "caller_id"),
        (Rules(abandonment=Abandonment(pause_at_percent=5.0)), "abandonment.pause_at_percent"),
        (Rules(abandonment=Abandonment(min_ring_s=5)), "abandonment.min_ring_s"),
    ],
)
def test_loosening_names_the_rule(overlay: Rules, name: str) -> None:
    with pytest.raises(PolicyLoosened) as caught:
        tighten(PACKS["us-strict"].rules, overlay)
    assert caught.value.rules == (name,)
    assert name in caught.value.message


def test_tightening_is_allowed() -> None:
    overlay = Rules(
        hours={"mon": ((600, 1140),), "sat": ()},
        holidays=("FR",),
        max_attempts=(AttemptLimit(count=2, period_h=24),),
        recording="never",
    )
    rules = tighten(PACKS["us-strict"].rules, overlay)
    assert rules.hours["mon"] == ((600, 1140),)
    assert rules.hours["sat"] == ()
    assert rules.holidays == ("FR", "US")
    assert rules.max_attempts == (AttemptLimit(count=1, period_h=4), AttemptLimit(count=2, period_h=24))
    assert rules.recording == "never"


def test_the_shipped_packs_say_what_the_table_says() -> None:
    strict, federal, france = (PACKS[name].rules for name in ("us-strict", "us-federal", "fr"))
    assert strict.hours["sat"] == ((540, 1200),)
    assert strict.hours["sun"] == ()
    assert strict.max_attempts == (AttemptLimit(count=1, period_h=4), AttemptLimit(count=3, period_h=24))
    assert federal.hours["sun"] == ((480, 1260),)
    assert france.hours["mon"] == ((600, 780), (840, 1200))
    assert france.cool_off_h == {"refused": 60 * 24}
    assert france.max_attempts == (AttemptLimit(count=4, period_h=30 * 24),)
    assert loosened(federal, strict) == [], "strict is at least as strict as federal"
    for name in ("fr", "de"):
        for language, texts in PACKS[name].rules.disclosure.items():
            assert PACKS["eu"].rules.disclosure[language] == texts, "nothing is said twice"
    assert all(date.fromisoformat(pack.reviewed_on) for pack in PACKS.values())
    assert {*DEFAULT_PACKS, "us-federal"} == set(PACKS)


def test_several_packs_bind_one_callee() -> None:
    packs = enabled_packs(PACKS)
    paris = policy_for(packs, Callee(number="+33140205050", countries=("FR",)), "marketing")
    assert paris is not None
    assert [ref.id for ref in paris.packs] == ["eu", "fr"]
    traveller = policy_for(packs, Callee(number="+12025550123", countries=("US", "DE")), "marketing")
    assert traveller is not None
    assert [ref.id for ref in traveller.packs] == ["de", "eu", "us-strict"]
    assert traveller.rules.recording == "consent"
    assert policy_for(packs, Callee(number="+819012345678", countries=("JP",)), "service") is None


@pytest.mark.parametrize(
    ("match", "callee", "bound"),
    [
        (Match(regions=("US-FL",)), {}, True),
        (Match(regions=("US-FL",)), {"regions": ("US-FL",)}, True),
        (Match(regions=("US-FL",)), {"regions": ("US-NY",)}, False),
        (Match(area_codes=("305",)), {}, False),
        (Match(area_codes=("202", "305")), {"regions": ("US-NY",)}, True),
        (Match(purposes=("marketing",)), {}, False),
        (Match(countries=("DE",)), {}, False),
    ],
)
def test_doubt_about_the_place_binds(match: Match, callee: dict[str, Any], bound: bool) -> None:
    pack = Pack(id="x", version="1", reviewed_on="2026-11-21", title="x", match=match, rules=Rules())
    who = Callee(number="+12025550123", countries=("US",), **callee)
    assert (policy_for([pack], who, "service") is not None) is bound


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('version = "1"\n', "", "version: Missing."),
        ('mon = ["09:00-20:00"]\n', "", "rules.hours.mon"),
        ('mon = ["09:00-20:00"]', 'mon = ["9-20"]', "rules.hours.mon"),
        ('mon = ["09:00-20:00"]', 'mon = "09:00-20:00"', "rules.hours.mon"),
        ('mon = ["09:00-20:00"]', 'mon = ["09:00-09:00"]', "rules.hours.mon"),
        ('mon = ["09:00-20:00"]', 'mon = ["09:00-24:30"]', "rules.hours.mon"),
        ('mon = ["09:00-20:00"]', 'monday = ["09:00-20:00"]', "rules.hours.monday"),
        ("[rules.hours]", "[rules]\nrecordings = 1\n[rules.hours]", "rules.recordings: No such key here."),
        ("[rules.hours]", '[rules]\nrecording = "maybe"\n[rules.hours]', "rules.recording"),
        ("[rules.hours]", '[rules]\nholidays = ["XX"]\n[rules.hours]', "rules.holidays"),
        ("[rules.hours]", '[rules]\nholidays = ["DE-XX"]\n[rules.hours]', "rules.holidays"),
        (
            "[rules.hours]",
            "[[rules.max_attempts]]\ncount = 0\nperiod_h = 1\n[rules.hours]",
            "rules.max_attempts[0].count",
        ),
        ("[rules.hours]", '[rules.disclosure]\nen = ["I am {model}"]\n[rules.hours]', "rules.disclosure.en"),
        ("2026-11-21", '"2026-13-41"', "reviewed_on"),
        ('countries = ["US"]', "", "match.countries"),
        ('id = "mine"', 'id = "yours"', "id"),
        ("[match]", "[match", "mine.toml"),
    ],
)
def test_errors_name_file_and_key(tmp_path: Path, old: str, new: str, key: str) -> None:
    assert old in MINIMAL
    (tmp_path / "mine.toml").write_text(MINIMAL.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load_packs(tmp_path)
    assert caught.value.problems[0].startswith(f"mine.toml: {key}" if key != "mine.toml" else key)


def test_folders_and_names_that_do_not_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no policy packs"):
        load_packs(tmp_path)
    with pytest.raises(ConfigError, match="no policy pack 'nowhere'"):
        enabled_packs(PACKS, ["nowhere"])
    (tmp_path / "mine.toml").write_text(MINIMAL)
    assert list(load_packs(tmp_path)) == ["mine"]
    assert sorted(file.stem for file in PACKS_DIR.glob("*.toml")) == sorted(PACKS)


def test_a_tenants_own_rules_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "tenant.toml"
    file.write_text('recording = "never"\n[hours]\nmon = ["10:00-12:00"]\n')
    assert load_overlay(file) == Rules(recording="never", hours={"mon": ((600, 720),)})
    file.write_text('[hours]\nmon = ["22:00-02:00"]\n')
    with pytest.raises(ConfigError, match="tue must be written too"):
        load_overlay(file)


def test_an_old_review_is_told() -> None:
    assert review_warnings(PACKS.values(), date(2026, 12, 1)) == []
    assert len(review_warnings(PACKS.values(), date(2027, 12, 1))) == len(PACKS)


def test_packs_survive_json() -> None:
    for pack in PACKS.values():
        assert msgspec.json.decode(msgspec.json.encode(pack), type=Pack) == pack
