"""The error tree keeps the promises of its picture."""

import inspect

from dv_sync_pipeline import errors


def error_classes() -> dict[str, type[errors.DvSyncError]]:
    """Every error class of the module, by name."""
    return {
        name: value
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.DvSyncError)
    }


def test_all_errors_are_listed():
    """`__all__` equals the error classes, sorted."""
    assert errors.__all__ == sorted(error_classes())


def test_the_picture_shows_every_error():
    """The module docstring draws each class."""
    missing = [name for name in error_classes() if name not in (errors.__doc__ or "")]

    assert missing == []


def test_every_error_belongs_to_one_of_three_kinds():
    """The caller stops the command, the table, or everything."""
    kinds = (errors.UsageError, errors.TableError, errors.SafetyError)
    homeless = [
        name
        for name, error in error_classes().items()
        if error is not errors.DvSyncError and sum(issubclass(error, kind) for kind in kinds) != 1
    ]

    assert homeless == []


def test_an_error_reads_in_one_line():
    """Where, what, why and how to mend stand in reading order."""
    error = errors.ConfigurationError("no key", where="line 3", why="left out", mend="Add one")

    assert str(error) == "line 3: no key (left out). Add one"
