"""``mlship deploy --diff``: what would change on the cluster."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from mlship.cli import console
from mlship.cluster import applyset, releasing
from mlship.cluster.preparing import Prepared
from mlship.commands import kubectl
from mlship.commands.kubectl import Target
from mlship.rollout import refusals
from mlship.rollout.looking import asked
from mlship.runner import Runner


def show(
    prepared: Prepared, target: Target, runner: Runner, outcome: dict[str, Any], *, as_json: bool
) -> None:
    """Show what would change there, coloured, and what would go; for programs in ``outcome``.

    Raises:
        ClusterError: the cluster can't be reached, or refuses.
    """
    before = releasing.look(prepared, target, runner)
    command = kubectl.diff(target, prepared.text)
    answer = asked(runner, target, command, timeout=releasing.CHECKED_SECONDS)
    if answer.code > 1:
        raise refusals.refused(target, answer.stderr)
    going = [
        *releasing.removed_first(prepared, before),
        *releasing.leftovers(prepared, before),
    ]
    gone = ["/".join(applyset.key(item)) for item in going]
    lines = [line for line in answer.stdout.splitlines() if not line.startswith("diff ")]
    count, live = releasing.handed_over(prepared, before), before.snapshot.wanted
    if count not in (None, live):  # the manifests don't say it
        lines += [f"-  replicas: {live}", f"+  replicas: {count}"]
    if as_json:
        console.print_json({**outcome, "ok": True, "changes": lines, "removed": gone})
        return
    if not lines and not gone:
        console.out.print("Nothing would change.")
    for line in lines:
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "dim")
        console.out.print(Text(line, style=style))
    for name in gone:
        console.out.print(Text(f"- {name} would be removed", style="red"))
