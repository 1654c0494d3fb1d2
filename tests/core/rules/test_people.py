"""Who in a group another program's names mean, and whom nobody guesses."""

from uuid import UUID

from core.rules.people import KnownPerson, match_people

ADA, GRACE, KIM = (UUID(int=number) for number in (1, 2, 3))
MEMBERS = [
    KnownPerson(ADA, "Ada Lovelace", "ada"),
    KnownPerson(GRACE, "Grace"),
    KnownPerson(KIM, "Žofie", "kim"),
]


def test_a_name_is_the_groups_or_the_accounts_whatever_case_and_accents() -> None:
    names = ["ada lovelace", " GRACE", "Zofie"]
    assert match_people(names, MEMBERS, earlier={}) == {"ada lovelace": ADA, " GRACE": GRACE, "Zofie": KIM}
    assert match_people(["Ada", "KIM"], MEMBERS, earlier={}) == {"Ada": ADA, "KIM": KIM}


def test_who_is_left_over_is_not_guessed() -> None:
    assert match_people(["Ada", "Grace", "Somebody"], MEMBERS, earlier={}) == {"Ada": ADA, "Grace": GRACE}
    assert match_people(["", "Ada L."], MEMBERS, earlier={}) == {}


def test_nobody_is_two_people() -> None:
    assert match_people(["Grace", "grace"], MEMBERS, earlier={}) == {"Grace": GRACE}
    assert match_people(["ada", "Ada Lovelace"], MEMBERS, earlier={}) == {"Ada Lovelace": ADA}


def test_a_name_of_two_is_nobodys() -> None:
    twins = [KnownPerson(ADA, "Zoe"), KnownPerson(GRACE, "Zoë"), KnownPerson(KIM, "Kim", "zoe")]
    assert match_people(["Zoe"], twins, earlier={}) == {}
    assert match_people(["Zoe"], twins[2:], earlier={}) == {"Zoe": KIM}
    assert match_people(["Zoe"], twins[:2], earlier={}) == {}


def test_what_a_name_meant_last_time_goes_first_while_they_are_there() -> None:
    gone = UUID(int=9)
    earlier = {"Grace": ADA, "Ada": gone}
    assert match_people(["Grace", "Ada"], MEMBERS, earlier=earlier) == {"Grace": ADA}
