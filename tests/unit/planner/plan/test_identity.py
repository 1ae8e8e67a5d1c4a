"""Identities: readable ids that follow from what a node is, never from where it stands."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from planner.plan.identity import Identity, branch_label, digest

texts = st.text(max_size=8)
identities = st.builds(
    Identity,
    role=texts,
    input_facets=st.lists(texts, max_size=2).map(tuple),
    output_facets=st.lists(texts, max_size=2).map(tuple),
    path=st.lists(texts, max_size=2).map(tuple),
    ordinal=st.integers(1, 3),
    generation=st.integers(1, 3),
)


def test_an_id_is_made_from_role_path_ordinal_and_generation() -> None:
    writer = Identity("ContentGeneratorAgent.linkedinVariants")
    assert writer.node_id == "linkedinVariants"
    assert Identity("x.linkedinVariants", path=("a",)).node_id == "linkedinVariants~a"
    assert Identity("x.linkedinVariants", path=("a", "b")).node_id == "linkedinVariants~a~b"
    assert Identity("x.linkedinVariants", path=("a",), ordinal=2).node_id == "linkedinVariants~a-2"
    assert Identity("x.linkedinVariants", path=("a",), generation=2).node_id == "linkedinVariants~a.r2"


def test_a_role_with_odd_characters_gives_a_readable_id() -> None:
    assert Identity("acme.write post/äö").node_id == "write_post_"


def test_a_rewrite_is_the_same_node_in_its_next_generation() -> None:
    # Given a node on a branch
    writer = Identity("acme.writer", ("brief",), ("post",), ("a",))
    # When it is repeated by a rewrite
    repeated = writer.next_generation()
    # Then everything but the generation stays
    assert repeated.node_id == "writer~a.r2"
    assert repeated.next_generation().generation == 3
    assert (repeated.role, repeated.path, repeated.output_facets) == (writer.role, writer.path, writer.output_facets)


def test_equals_on_one_path_are_told_apart_by_their_ordinal() -> None:
    taken: list[str] = []
    for _ in range(3):
        taken.append(Identity("acme.writer").among(taken).node_id)
    assert taken == ["writer", "writer-2", "writer-3"]


def test_branches_are_lettered_like_the_columns_of_a_sheet() -> None:
    assert [branch_label(index) for index in (0, 1, 25, 26, 27, 701, 702)] == ["a", "b", "z", "aa", "ab", "zz", "aaa"]


def test_branch_labels_never_repeat() -> None:
    assert len({branch_label(index) for index in range(2000)}) == 2000


@given(identities)
def test_an_identity_comes_back_from_its_json(identity: Identity) -> None:
    assert Identity.from_json(identity.as_json()) == identity


@given(identities, identities)
def test_two_identities_share_a_key_only_when_they_are_equal(left: Identity, right: Identity) -> None:
    assert (left.key == right.key) is (left == right)


@given(identities, st.lists(st.integers(1, 5)))
def test_the_id_found_among_taken_ones_is_free(identity: Identity, ordinals: list[int]) -> None:
    taken = {
        Identity(identity.role, path=identity.path, ordinal=n, generation=identity.generation).node_id for n in ordinals
    }
    assert identity.among(taken).node_id not in taken


def test_a_digest_does_not_depend_on_the_order_of_members() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest({"a": 1, "b": [1, 2]}) != digest({"a": 1, "b": [2, 1]})
