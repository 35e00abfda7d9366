"""Paths, keys and the words of filters."""

import pytest

from dv_sync_pipeline.emulator.queries.filters import (
    Comparison,
    Function,
    Lambda,
    Literal,
    Logical,
    Not,
    Path,
    parse_filter,
)
from dv_sync_pipeline.emulator.queries.lexer import TokenKind
from dv_sync_pipeline.emulator.rows.replies import DataverseError
from dv_sync_pipeline.emulator.service.addresses import Segment, parse_path
from dv_sync_pipeline.emulator.service.routes import shape

ID = "11111111-1111-4111-8111-11111111111a"


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        ("hotels", (Segment("hotels"),)),
        (f"hotels({ID.upper()})", (Segment("hotels", has_key=True, row_id=ID),)),
        ("hotels(code='a''b')", (Segment("hotels", has_key=True, key={"code": "a'b"}),)),
        ("hotels(code=%27a%20b%27)", (Segment("hotels", has_key=True, key={"code": "a b"}),)),
        ("rooms(no=1,wing='w')", (Segment("rooms", has_key=True, key={"no": 1, "wing": "w"}),)),
        ("F(Names=['a','b'])", (Segment("F", has_key=True, key={"Names": ["a", "b"]}),)),
        ("WhoAmI()", (Segment("WhoAmI", has_key=True),)),
        ("hotels/$count", (Segment("hotels"), Segment("$count"))),
    ],
)
def test_paths(path, segments):
    """A path is cut at slashes, keys are read in their own types."""
    assert segments == parse_path(path)


@pytest.mark.parametrize("path", ["hotels(code='a/b')", "hotels(code='a", "hotels(code=)", "h(a=1"])
def test_malformed_paths(path):
    """A key that cannot be read is refused."""
    with pytest.raises(DataverseError):
        parse_path(path)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("contoso_hotels", "{set}"),
        (f"contoso_hotels({ID})/contoso_name/$value", "{set}()/{property}/$value"),
        ("contoso_hotels/Microsoft.Dynamics.CRM.CreateMultiple", "{set}/{action}"),
        ("EntityDefinitions(LogicalName='x')/Keys", "EntityDefinitions()/{property}"),
        ("WhoAmI()", "WhoAmI()"),
    ],
)
def test_shapes(path, expected):
    """A route is found by the shape of a path."""
    assert expected == shape(parse_path(path))


STARS = Path(("stars",))


def _is(value, kind=TokenKind.INTEGER):
    return Comparison("eq", STARS, Literal(value, kind))


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("stars eq 4", _is(4)),
        ("stars eq null", _is(None, TokenKind.NAME)),
        ("stars eq 'o''clock'", _is("o'clock", TokenKind.STRING)),
        ("stars eq 2026-01-31", _is("2026-01-31", TokenKind.DAY)),
        (f"stars eq {ID}", _is(ID, TokenKind.GUID)),
        (
            "stars eq 1 or stars eq 2 and stars eq 3",
            Logical("or", (_is(1), Logical("and", (_is(2), _is(3))))),
        ),
        (
            "(stars eq 1 or stars eq 2) and not (stars eq 3)",
            Logical("and", (Logical("or", (_is(1), _is(2))), Not(_is(3)))),
        ),
        (
            "contains(a/b,'x')",
            Function("contains", (Path(("a", "b")), Literal("x", TokenKind.STRING))),
        ),
        (
            "Microsoft.Dynamics.CRM.In(PropertyName='a',PropertyValues=['1','2'])",
            Function("In", named={"PropertyName": "a", "PropertyValues": ["1", "2"]}),
        ),
        ("rooms/any()", Lambda(Path(("rooms",)), "any", "", None)),
        (
            "rooms/all(r:r/floor eq 1)",
            Lambda(
                Path(("rooms",)),
                "all",
                "r",
                Comparison("eq", Path(("r", "floor")), Literal(1, TokenKind.INTEGER)),
            ),
        ),
    ],
)
def test_filters(text, tree):
    """`and` binds closer than `or`, `not` closer than both; literals keep their types."""
    assert tree == parse_filter(text)


def test_parameter_aliases():
    """An alias stands for what the query says it is."""
    assert _is(4) == parse_filter("stars eq @n", {"@n": "4"})


@pytest.mark.parametrize(
    "text", ["stars eq", "eq 4", "(stars eq 4", "stars eq 4)", "stars ~ 4", ""]
)
def test_malformed_filters(text):
    """A filter that makes no sense is refused, with the place where."""
    with pytest.raises(DataverseError) as refusal:
        parse_filter(text)

    assert "position" in refusal.value.message


@pytest.mark.parametrize("text", ["(" * 200 + "a eq 1" + ")" * 200, "not " * 200 + "a eq 1"])
def test_deep_nesting_is_refused(text):
    """Nesting has a bound, so that a filter cannot exhaust the stack."""
    with pytest.raises(DataverseError):
        parse_filter(text)


def test_long_chains_are_flat():
    """Hundreds of alternatives are no nesting."""
    tree = parse_filter(" or ".join(["stars eq 4"] * 2000))

    assert Logical("or", (_is(4),) * 2000) == tree
