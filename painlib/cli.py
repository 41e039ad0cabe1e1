"""The command `painlib`: run, check, status, score, demo, bench.

Exit codes: 0 all well, 1 faults, 2 usage, 130 stopped.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import painlib
from painlib.faults import Faults, PainlibError
from painlib.places import to_place

if TYPE_CHECKING:
    from painlib.records import RunRecord

FAULTS, USAGE, STOPPED = 1, 2, 130
DEMO_PARAMETERS = Path(painlib.__file__).parents[1] / "params" / "demo.yaml"
STAGE_HELP = "crop, train, confounds, predict, statistics, gradcam, regions, grimace or locomotion"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit code; a fault is shown as its message, without a traceback."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    # A batch system's SIGTERM ends a run as cleanly as Ctrl-C; only the main thread may say so.
    with suppress(ValueError):
        signal.signal(signal.SIGTERM, _interrupt)
    try:
        return options.act(options)
    except PainlibError as fault:
        print(f"painlib: {fault}", file=sys.stderr)
        return FAULTS
    except KeyboardInterrupt:
        print(
            "painlib: stopped. What was finished is kept; the same command goes on from there.",
            file=sys.stderr,
        )
        return STOPPED


def build_parser() -> argparse.ArgumentParser:
    """The parser; each command's function is its default `act`."""
    parser = argparse.ArgumentParser(
        prog="painlib", description="From two-camera video of mice to a tested pain probability."
    )
    parser.add_argument("--version", action="version", version=f"painlib {painlib.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    run = commands.add_parser("run", help="run all stages that are not done, then write report.html")
    _add_parameters(run)
    _add_stage_options(run)
    run.set_defaults(act=run_command)

    check = commands.add_parser("check", help="find what is wrong before any work starts; writes nothing")
    _add_parameters(check)
    check.set_defaults(act=check_command)

    status = commands.add_parser("status", help="say which stages are done, stale or missing, and why")
    _add_parameters(status)
    status.set_defaults(act=status_command)

    score = commands.add_parser("score", help="judge images, or videos second by second, by a model folder")
    score.add_argument(
        "files", metavar="FILE", type=to_place, nargs="+", help="image or video of one mouse, or its URL"
    )
    score.add_argument("--model", metavar="FOLDER", type=Path, required=True, help="as 02_train wrote it")
    score.add_argument("--face", action="store_true", help="the images are faces cut out already, square")
    score.add_argument("--crop-px", metavar="N", type=int, help="side of the face square; else the model's")
    score.add_argument(
        "--abstain-below", metavar="P", type=float, default=0.5, help="less sure than this: not judged"
    )
    score.add_argument("--out", metavar="FILE", type=Path, help="write .csv or .json; else csv to the screen")
    score.add_argument("--overlay", metavar="FOLDER", type=Path, help="also draw what was judged")
    score.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    score.set_defaults(act=score_command)

    demo = commands.add_parser("demo", help="draw the demonstration cohort and run all stages on it")
    demo.add_argument("parameters", metavar="PARAMS", type=Path, nargs="?", default=DEMO_PARAMETERS)
    _add_stage_options(demo)
    demo.set_defaults(act=demo_command)

    bench = commands.add_parser("bench", help="measure this machine: every stage against the published chain")
    bench.add_argument("--long", action="store_true", help="longer clips and more faces: hours, not minutes")
    bench.add_argument("--out", metavar="FOLDER", type=Path, default=Path("runs/bench"), help="runs/bench")
    bench.set_defaults(act=bench_command)
    return parser


def run_command(options: argparse.Namespace) -> int:
    """`painlib run`."""
    _check_stage_names(options)
    from painlib.runner import run_stages

    print(f"painlib {painlib.__version__}: {options.parameters}", flush=True)
    record = run_stages(
        options.parameters, first=options.first, last=options.last, force=options.force, say=_say
    )
    return show_record(record)


def check_command(options: argparse.Namespace) -> int:
    """`painlib check`."""
    from painlib.checks import check_run
    from painlib.console import format_table
    from painlib.runner import find_notebooks

    rows, faults = check_run(options.parameters, find_notebooks())
    if rows:
        print(format_table(rows))
    faults.raise_if_any(f"Mend these before a run: {options.parameters}")
    print("No faults found.")
    return 0


def status_command(options: argparse.Namespace) -> int:
    """`painlib status`."""
    from painlib.console import format_table
    from painlib.params import load_run
    from painlib.runner import find_notebooks, find_states

    states = find_states(load_run(options.parameters, find_notebooks()))
    print(format_table([(name, found.state, found.reason) for name, found in states.items()]))
    return 0


def score_command(options: argparse.Namespace) -> int:
    """`painlib score`."""
    from painlib.scores import check_options, score_files, write_scores
    from painlib.scoring import Scorer

    check_options(options)
    scorer = Scorer(
        options.model,
        options.device,
        crop_px=options.crop_px,
        as_faces=options.face,
        abstain_below=options.abstain_below,
        sights=options.overlay is not None,
    )
    rows, faults = score_files(scorer, options.files, options.overlay)
    if not rows:
        faults.raise_if_any("No file could be judged; no scores are written")
    write_scores(rows, scorer, options.out)
    faults.raise_if_any("Not all files could be judged; what could is written")
    return 0


def demo_command(options: argparse.Namespace) -> int:
    """`painlib demo`."""
    _check_stage_names(options)
    import time

    from painlib.console import format_seconds

    started = time.monotonic()
    _say(f"demonstration: drawing the cohort of {options.parameters}")
    cohort = draw_demonstration(options.parameters)
    _say(f"demonstration: drawn in {format_seconds(time.monotonic() - started)}, {cohort}")
    return run_command(options)


def bench_command(options: argparse.Namespace) -> int:
    """`painlib bench`."""
    from painlib.workers.threads import one_thread_each

    with one_thread_each():  # read by libraries when they are loaded, so before that
        from painlib.bench.running import run_bench
        from painlib.bench.sizes import LONG, SHORT

        print(run_bench(options.out, LONG if options.long else SHORT, _say))
    print(f"Results: {options.out}", flush=True)
    return 0


def draw_demonstration(parameter_file: Path) -> Path:
    """Draw the cohort of the section `demo` to where `cohort` points; what is drawn already is kept."""
    from pydantic import ValidationError

    from painlib.demo import DemoParams, draw_cohort
    from painlib.params import load_run
    from painlib.runner import find_notebooks

    run = load_run(parameter_file, find_notebooks())
    cohort = Path(run.shared["cohort"])
    if run.demo is None or cohort.name != "cohort.csv":
        raise PainlibError(
            f"Expected a section `demo` and a `cohort` named cohort.csv in {parameter_file}, got "
            f"{'no such section' if run.demo is None else cohort.name}. params/demo.yaml shows one."
        )
    try:
        params = DemoParams(**run.demo)
    except ValidationError as error:
        faults = Faults()
        for fault in error.errors(include_url=False):
            key = ".".join(str(step) for step in fault["loc"])
            faults.add(f"{parameter_file.name}, key demo.{key}: {fault['msg']}, got {fault['input']!r}.")
        faults.raise_if_any(f"The parameters have faults: {parameter_file}")
        raise
    return draw_cohort(cohort.parent, params)


def show_record(record: RunRecord) -> int:
    """Print time a stage, what failed, and the report's path; give the exit code."""
    from painlib.console import format_seconds, format_table

    rows = [
        (stage.name, stage.outcome, "" if stage.seconds is None else format_seconds(stage.seconds))
        for stage in record.stages
    ]
    total = sum(stage.seconds or 0 for stage in record.stages)
    print(f"\n{format_table([*rows, ('all', '', format_seconds(total))])}")
    for stage in record.stages:
        if stage.message:
            print(f"\nStage {stage.name} failed:\n{stage.message}", file=sys.stderr)
    if record.faults:
        print(f"\nRecordings with faults ({len(record.faults)}); all others went on:", file=sys.stderr)
        for fault in record.faults:
            print(f"- {fault.recording} ({fault.stage}): {fault.message}", file=sys.stderr)
    print(f"\nReport: {Path(record.workdir) / 'report.html'}", flush=True)
    return FAULTS if record.failed else 0


def _add_parameters(command: argparse.ArgumentParser) -> None:
    command.add_argument("parameters", metavar="PARAMS", type=Path, help="parameter file (YAML)")


def _add_stage_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--from", dest="first", metavar="STAGE", help=f"begin here: {STAGE_HELP}")
    command.add_argument("--to", dest="last", metavar="STAGE", help="end after this stage")
    command.add_argument("--force", action="store_true", help="run also what is done and unchanged")


def _check_stage_names(options: argparse.Namespace) -> None:
    """A stage that is not known is wrong usage, said before anything is read."""
    from painlib.runner import select_stages

    try:
        select_stages(options.first, options.last)
    except PainlibError as fault:
        print(f"painlib: {fault}", file=sys.stderr)
        sys.exit(USAGE)


def _say(text: str) -> None:
    print(text, flush=True)


def _interrupt(signum: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
