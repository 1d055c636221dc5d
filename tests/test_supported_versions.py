"""The lowest supported versions and the licences are what pyproject.toml says."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from packaging.requirements import Requirement

from tools.floors import ALLOWED, PROJECT, brought, families, floors, licences_of, requirements

FLOORS = {each.name: each for each in floors()}
BROUGHT = brought(each for _, each in requirements())


def test_every_library_has_a_floor_and_a_reason() -> None:
    assert FLOORS.keys() == {each.name for _, each in requirements()}
    assert all(each.lowest and each.reason for each in FLOORS.values())


@pytest.mark.parametrize(
    ("extra", "requirement", "message"),
    [
        ("trio", "trio", "trio has no lowest version"),
        ("trio", "trio<1", "trio<1 has no lowest version"),
        ("trio", "outcome>=1", "does not say why outcome is >=1"),
        ("trio", "anyio>=4.2", "anyio is >=4.10 in one place and >=4.2 in another"),
        ("reload", None, "has watchfiles, which nothing requires"),
    ],
)
def test_a_requirement_without_one_is_refused(
    extra: str, requirement: str | None, message: str
) -> None:
    project = copy.deepcopy(PROJECT)
    project["project"]["optional-dependencies"][extra] = [requirement] if requirement else []
    with pytest.raises(ValueError, match=message):
        floors(project)


def test_development_asks_for_no_older_versions_than_users_have() -> None:
    groups: dict[str, list[Any]] = PROJECT["dependency-groups"]
    for texts in groups.values():
        for each in (Requirement(text) for text in texts if isinstance(text, str)):
            if each.name in FLOORS:
                assert f">={FLOORS[each.name].lowest}" in map(str, each.specifier), str(each)


@pytest.mark.parametrize("name", BROUGHT)
def test_all_that_is_brought_has_an_allowed_licence(name: str) -> None:
    found = licences_of(BROUGHT[name])
    assert found, f"the metadata of {name} names no licence"
    assert found <= ALLOWED


@pytest.mark.parametrize("name", [name for name in FLOORS if name.lower() in BROUGHT])
def test_the_licence_in_the_table_is_that_of_the_metadata(name: str) -> None:
    assert licences_of(BROUGHT[name.lower()]) <= families(FLOORS[name].licence)


def test_each_allowed_licence_is_needed_by_something() -> None:
    licences = [families(each.licence) for each in FLOORS.values()]
    licences += [licences_of(each) for each in BROUGHT.values()]
    assert frozenset().union(*licences) >= ALLOWED - {"MIT-0"}  # cffi's, where it is installed


def test_the_classifiers_name_only_what_is_run() -> None:
    classifiers: list[str] = PROJECT["project"]["classifiers"]
    systems = [each for each in classifiers if each.startswith("Operating System")]
    assert systems == ["Operating System :: POSIX :: Linux"]
    assert not [each for each in classifiers if "Free Threading" in each]
    tried = [each.rpartition(" ")[2] for each in classifiers if "Python :: 3." in each]
    assert [f"py{each.replace('.', '')}" for each in tried] == (
        PROJECT["tool"]["tox"]["env_list"][0]["product"][0]
    )
