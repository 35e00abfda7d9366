"""What a person sees while a synchronization works."""

import io

from rich.console import Console

from dv_sync_pipeline.cli.progress import ProgressBars
from dv_sync_pipeline.sync.report import Progress


def shown_after(*events: Progress) -> str:
    """The last picture of the bars in a terminal of 100 columns."""
    terminal = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    with ProgressBars(terminal) as bars:
        for event in events:
            bars.progressed(event)
        bars.draw()
        return terminal.file.getvalue()


def test_reading_both_sides_shares_one_bar():
    """Rows of both environments are added up, and so are the totals once both are known."""
    shown = shown_after(
        Progress("contoso_hotel", "read primary", 100, 300),
        Progress("contoso_hotel", "read secondary", 45, 45),
    )

    assert "145/345" in shown


def test_a_total_that_is_unknown_stays_open():
    """Where one side has more rows than can be counted, no total is made up."""
    shown = shown_after(
        Progress("contoso_room", "read primary", 45_000, None),
        Progress("contoso_room", "read secondary", 20, 20),
    )

    assert "45020/?" in shown


def test_writing_has_a_total():
    """A bar of writes shows how many are left."""
    assert "2000/15000" in shown_after(Progress("contoso_room", "create", 2000, 15_000))


def test_nothing_is_drawn_where_nobody_looks():
    """Into a file or a pipe goes no bar."""
    file = io.StringIO()
    with ProgressBars(Console(file=file)) as bars:
        bars.progressed(Progress("contoso_room", "create", 1, 2))
        bars.draw()

    assert file.getvalue() == ""
