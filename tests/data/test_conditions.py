from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sctabnet.data.conditions import Condition, parse_conditions

ENTITY = st.text("ABCDEFGHK123", min_size=1, max_size=5).filter(lambda s: s.lower() != "ctrl")


@given(st.lists(ENTITY, min_size=1, max_size=3, unique=True), st.randoms())
def test_order_and_control_parts_leave_no_trace(entities, random):
    shuffled = [*entities, "ctrl"]
    random.shuffle(shuffled)
    [one], [other] = parse_conditions(["+".join(entities)]), parse_conditions(["+".join(shuffled)])
    assert one == other
    assert parse_conditions([one.name]) == [one]  # round trip
    assert parse_conditions([entities]) == [one]  # slot columns


@given(st.lists(st.tuples(ENTITY, st.sampled_from([0.1, 0.5, 1.0, 10.0])), min_size=1, max_size=3))
def test_doses_follow_their_entities(parts):
    names = "+".join(entity for entity, _ in parts)
    doses = "+".join(str(dose) for _, dose in parts)
    assert parse_conditions([names], doses=[doses]) == [Condition.of(parts)]
    assert parse_conditions([Condition.of(parts).name]) == [Condition.of(parts)]


def test_same_entity_twice_is_a_dose():
    assert parse_conditions(["A+A"])[0] == parse_conditions(["A"], doses=[2.0])[0]


@pytest.mark.parametrize("text", ["ctrl", "control", "Ctrl", "ctrl+ctrl", "DMSO", "nan"])
def test_controls(text):
    assert parse_conditions([text], control="DMSO")[0].is_control


def test_dose_zero_is_the_control():
    assert parse_conditions(["A"], doses=[0])[0].is_control


@pytest.mark.parametrize(
    ("names", "doses", "message"),
    [
        (["A", "B", "A+B", "A_B"], None, "Replace '_' by '[+]'"),
        (["A", "B", "A,B"], None, "Replace ',' by '[+]'"),
        (["A+"], None, "empty part"),
        (["A+B"], ["1+2+3"], "one number per part"),
        (["A"], ["much"], "must be a number"),
        (["A"], [-1], "must be a number of at least 0"),
        (["A", "B"], [1], "one dose per condition. Found 1 doses for 2"),
    ],
)
def test_bad_input(names, doses, message):
    with pytest.raises(ValueError, match=message):
        parse_conditions(names, doses=doses)


def test_entities_known_from_elsewhere_are_not_joined_by_other_signs():
    with pytest.raises(ValueError, match="Replace ',' by '[+]'"):
        parse_conditions(["A,B"], known=["A", "B"])


def test_names_with_other_characters_stay_whole():
    assert parse_conditions(["HLA-A", "IFN_b", "H1|2"])[1].entities == ("IFN_b",)
