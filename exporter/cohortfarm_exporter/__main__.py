"""`python -m cohortfarm_exporter export|optimize|gate|golden`, as `cohortfarm model` starts it.

Exit codes: 0 done, 2 bad usage or model, 75 try again, 78 will never work.
"""

import argparse
import sys
import traceback
from pathlib import Path

from .errors import TRY_AGAIN, ExportError, explain


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="cohortfarm_exporter", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, source in {"export": "hf:REPO[@REVISION] or a folder", "optimize": "an exported folder", "gate": "xrv:NAME or torchvision:ARCHITECTURE"}.items():
        command = commands.add_parser(name)
        command.add_argument("source", help=source)
        command.add_argument("--output", type=Path, required=True)
        if name == "optimize":
            command.add_argument("--for", dest="target", choices=("cuda", "cpu"), required=True)
            command.add_argument("--keep-float32", nargs="*", default=[])
        if name == "gate":
            command.add_argument("--weights")
            command.add_argument("--classes", nargs="*", default=[])
            command.add_argument("--size", type=int, default=224)
            command.add_argument("--activation", choices=("softmax", "sigmoid", "identity"), default="softmax")
    golden = commands.add_parser("golden")
    golden.add_argument("source")
    golden.add_argument("--request", type=Path, required=True)
    golden.add_argument("--output", type=Path, required=True)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    args = parse(arguments)
    try:
        run(args)
        return 0
    except Exception as error:
        known = error if isinstance(error, ExportError) else explain(error, str(args.output))
        print(known or traceback.format_exc(), file=sys.stderr, flush=True)
        return known.exit_code if known else TRY_AGAIN


def run(args: argparse.Namespace) -> None:
    """One command; what takes seconds to import is imported by the one that needs it."""
    if args.command == "export":
        from .pipeline import export_pipeline

        export_pipeline(args.source, args.output)
    elif args.command == "optimize":
        from .optimize import optimize_folder

        fused = optimize_folder(Path(args.source), args.output, args.target, args.keep_float32)
        for name, counts in fused.items():
            print(f"{name}: {', '.join(f'{count} {operator}' for operator, count in counts.items()) or 'nothing'} fused", file=sys.stderr)
    elif args.command == "gate":
        from .gate import export_gate

        export_gate(args.source, args.output, args)
    else:
        from .golden import golden

        golden(args.source, args.request, args.output)


if __name__ == "__main__":
    sys.exit(main())
