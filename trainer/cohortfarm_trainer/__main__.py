"""`python -m cohortfarm_trainer pretrain|finetune|evaluate|compare|audit|check --config FILE`.

Exit codes: 0 done, 2 bad usage, config or data, 75 try again (it resumes from its checkpoint), 78 will never work.
"""

import argparse
import os
import signal
import sys
import threading
import traceback

from .errors import DONE, TRY_AGAIN, StageError, UsageError
from .launch import launch, wants_launch
from .outcome import write_failure, write_outcome
from .progress import say

COMMANDS = ("pretrain", "finetune", "evaluate", "compare", "audit", "check")
CONFIG = "COHORTFARM_STAGE_CONFIG"


def main(arguments: list[str] | None = None) -> int:
    """Runs a command, in this process or in several."""
    parser = argparse.ArgumentParser(prog="cohortfarm_trainer", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--config", default=os.environ.get(CONFIG), help=f"JSON file (docs/training.md); default: ${CONFIG}")
    args = parser.parse_args(arguments)
    # The first process of a container gets no signal that it has not asked for: until there is something to store, it ends.
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: os._exit(TRY_AGAIN))
    # Threads that wait asleep: on cores shared with others, spinning ones made a step ten times as long.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        if args.config is None:
            raise UsageError(f"no config is named; give --config FILE or set {CONFIG}", "ConfigMissing")
        if wants_launch(os.environ):
            return launch([args.command, "--config", args.config])
        return run(args.command, args.config)
    except Exception as error:
        say(f"{args.command}: {error}" if isinstance(error, StageError) else traceback.format_exc())
        if leads():
            write_failure(error)
        return error.exit_code if isinstance(error, StageError) else TRY_AGAIN


def leads() -> bool:
    return os.environ.get("RANK", "0") == "0"


def run(command: str, path: str) -> int:
    """One process of a command. What takes seconds to import is imported once the config is known to be sound."""
    from .config import read_config

    config = read_config(path, command)
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())

    from .distributed import join_team, leave_team
    from .stages.audit import audit_stage
    from .stages.check import check_stage
    from .stages.compare import compare_stage
    from .stages.context import Context
    from .stages.evaluate import evaluate_stage
    from .stages.train import train_stage

    stages = {"pretrain": train_stage, "finetune": train_stage, "evaluate": evaluate_stage, "compare": compare_stage, "audit": audit_stage, "check": check_stage}
    team = join_team()
    try:
        metrics = stages[command](Context(config, team, stop.is_set))
    finally:
        leave_team()
    if team.leads:
        headline = metrics["headline"]
        shown = ", ".join(f"{name} {value:.4g}" for name, value in headline.items())
        say(f"{config['name']}: done: {shown}")
        write_outcome("Trained", f"{config['name']}: {shown}", headline)
    return DONE


if __name__ == "__main__":
    sys.exit(main())
