"""Commands on Weights & Biases: `agent` and `dashboard`."""

from collections.abc import Sequence

from stablebert.cli.arguments import command_parser, positive_int
from stablebert.machine import visible_gpus
from stablebert.tasks import TASKS
from stablebert.tracking import dashboard as boards
from stablebert.tracking.agent import run_agents


def agent(argv: Sequence[str]) -> int:
    """Start agents of a W&B sweep, one per GPU."""
    parser = command_parser("agent")
    parser.add_argument("sweep", metavar="ENTITY/PROJECT/SWEEP")
    parser.add_argument(
        "--agents", type=positive_int, help="number of agents (default: one per GPU, or one)"
    )
    parser.add_argument("--count", type=positive_int, help="largest number of runs per agent")
    parser.add_argument(
        "--any-command",
        action="store_true",
        help="execute the sweep's command even if it is not `stablebert train`",
    )
    options = parser.parse_args(argv)
    gpus = visible_gpus()
    return run_agents(
        options.sweep,
        agents=options.agents or max(1, len(gpus)),
        gpus=gpus,
        count=options.count,
        any_command=options.any_command,
    )


def dashboard(argv: Sequence[str]) -> int:
    """Create or update a W&B workspace, and a W&B report for each table."""
    parser = command_parser("dashboard")
    parser.add_argument("project", metavar="ENTITY/PROJECT")
    parser.add_argument("--sweep", metavar="SWEEP", help="show only this sweep, by its id in W&B")
    parser.add_argument(
        "--layers", type=positive_int, default=24, help="layers of the model (default: 24)"
    )
    parser.add_argument(
        "--report",
        action="append",
        choices=[*boards.table_names(), "none"],
        help="a table to make a report for (default: all, and one for your own tasks)",
    )
    parser.add_argument(
        "--json", metavar="FILE", help="write to a file (or -) instead; needs no server"
    )
    options = parser.parse_args(argv)
    entity, project = boards.parse_project(options.project)
    sweep = boards.parse_sweep_id(options.sweep) if options.sweep else None
    workspace = boards.build_workspace(entity, project, num_layers=options.layers, sweep=sweep)
    tables = [table for table in options.report or boards.table_names() if table != "none"]
    reports = [boards.build_report(entity, project, table, sweep=sweep) for table in tables]
    if TASKS.own and not options.report:
        reports.append(boards.build_own_report(entity, project, sweep=sweep))
    if options.json:
        boards.print_or_write(boards.to_json(workspace, reports), options.json)
        return 0
    for address in boards.save(workspace, reports):
        print(address)
    return 0
