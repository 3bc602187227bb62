"""What is derived from the evidence of a bundle: pictures, the decision and the report."""

from __future__ import annotations

from collections.abc import Mapping

import click


def derived(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Plots where matplotlib is installed, the decision and the report of these files."""
    from husai_gates.views import make_views

    try:
        from husai_gates.plots import make_plots

        plots = make_plots(files)
    except ModuleNotFoundError as error:
        click.echo(f"warning: no plots: needs '{error.name}' (pip install 'husai[report]')", err=True)
        plots = {}
    return {**plots, **make_views({**files, **plots})}
