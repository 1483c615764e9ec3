"""`make reproduce`: chooses the profile, holds the run's lock, starts the workflow and shows how far it is.

Killed at any moment, the same command goes on where it was; of a finished run it says so.
"""
from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
from filelock import FileLock, Timeout
from preflight import check_paper_profile, gpu_memory_gb
from progress_bar import ProgressBar, format_duration
from stages import CHECKOUT, EXPERIMENTS, STAGES, Plan, was_made_by_an_older_rule, write_plan

from lirads_keras.config.profile import Profile, read_profile
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.inference.openvino_predictor import check_engine
from lirads_keras.io.atomic import write_json
from lirads_keras.io.manifests import read_manifest
from lirads_keras.provenance import run_record
from lirads_keras.run import RunFolder

GPU_PROFILE_FROM_GB = 10
RUN_VARIABLE = "LIRADS_RUN"
"""Environment variable of all that a workflow starts: the run that it works on."""


def main() -> int:
    arguments = _parse()
    try:
        profile, run = _choose(arguments)
        if profile.name == "paper":
            check_paper_profile(profile, arguments.data, run, force=arguments.force)
        run.mkdir(parents=True, exist_ok=True)
        with FileLock(RunFolder(run).lock, timeout=0):
            if was_made_by_an_older_rule(run):
                print(f"{run}: this run was made by an older rule of what a stage is made from; all its stages are run again, once", file=sys.stderr)
            return _reproduce(write_plan(run, profile, arguments.data, arguments.manifest))
    except InputError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        return 2
    except Timeout:
        print(f"error: {run}: expected no other process at work on this run, found its lock held", file=sys.stderr)
        return 2


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="auto", help="auto, smoke, cpu, gpu, paper, or a profile's file")
    parser.add_argument("--run", type=Path, help="run folder (default: runs/ and the profile's name)")
    parser.add_argument("--manifest", type=Path, help="folder with patients.csv, series.csv and lesions.csv of your own data")
    parser.add_argument("--data", type=Path, default=CHECKOUT / "data", help="folder of virtual cohorts and of LiTS")
    parser.add_argument("--force", action="store_true", help="start the paper profile even if the preflight advises against it")
    return parser.parse_args()


def _choose(arguments: argparse.Namespace) -> tuple[Profile, Path]:
    """The profile and the run folder, checked; nothing is written."""
    name = arguments.profile
    if name == "auto":
        name = "gpu" if gpu_memory_gb() >= GPU_PROFILE_FROM_GB else "cpu"
    path = Path(name) if name.endswith((".yaml", ".yml")) else EXPERIMENTS / "profiles" / f"{name}.yaml"
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in (EXPERIMENTS / "profiles").glob("*.yaml")))
        raise InputError(Problem("PROFILE", f"auto, {known} or a file ending in .yaml", repr(name)))
    profile = read_profile(path)
    check_engine(profile.inference.engine)
    if arguments.manifest:
        read_manifest(arguments.manifest)
    run = (arguments.run or CHECKOUT / "runs" / profile.name).resolve()
    _refuse_another_run(run, profile, arguments.manifest)
    return profile, run


def _refuse_another_run(run: Path, profile: Profile, manifest: Path | None) -> None:
    """A folder that holds a run of another profile or other patients is not written over."""
    folder = RunFolder(run)
    try:
        name, of_run = json.loads(folder.profile_file.read_text())["name"], folder.inputs.read()["manifest"]
    except (OSError, ValueError, KeyError):
        return
    asked = str(manifest.resolve()) if manifest else None
    problems = []
    if name != profile.name:
        problems.append(Problem(f"RUN, {run}", f"a run of the profile {profile.name} or a new folder", f"a run of the profile {name}"))
    if of_run != asked:
        problems.append(Problem(f"RUN, {run}", f"a run of {asked or 'the virtual cohort'} or a new folder", f"a run of {of_run or 'the virtual cohort'}"))
    raise_if_any(problems)


def _reproduce(plan: Plan) -> int:
    until = "report" if shutil.which("Rscript") and shutil.which("pandoc") else "results"
    stages = [name for name in STAGES if until == "report" or name != "report"]
    unfinished = [(name, part) for name in stages for part in plan.parts(name) if not plan.is_done(name, part)]
    if not unfinished:
        print(f"This run is finished. {_where(plan, until)}")
        return 0
    for name, part in unfinished:
        plan.done(name, part).remove()
    run = plan.run
    end_leftovers(run.path)
    run.problems.unlink(missing_ok=True)
    shutil.rmtree(run.progress_folder, ignore_errors=True)
    write_json(run.provenance, run_record(plan.profile, CHECKOUT))
    started = time.time()
    with open(run.workflow_log, "ab") as log:
        locks = run.path / ".snakemake" / "locks"
        if locks.is_dir() and any(locks.iterdir()):
            # The run's own lock is held here, so a workflow lock is that of a workflow that was killed.
            subprocess.run([*_snakemake(plan, until), "--unlock"], stdout=log, stderr=log, check=True)
        workflow = subprocess.Popen(_snakemake(plan, until), stdout=log, stderr=log, env={**os.environ, RUN_VARIABLE: str(run.path)})
        try:
            with ProgressBar(plan, stages) as bar:
                while workflow.poll() is None:
                    bar.update()
                    if run.problems.exists():
                        # What runs beside the stage that met bad input goes on another time where it was.
                        stop_jobs(workflow.pid)
                    time.sleep(0.5)
                bar.update()
        except KeyboardInterrupt:
            workflow.wait()
            print("stopped; the same command goes on where it was", file=sys.stderr)
            return 130
    if workflow.returncode:
        return _failure(run)
    print(f"Finished in {format_duration(time.time() - started)}. {_where(plan, until)}")
    return 0


def _snakemake(plan: Plan, until: str) -> list[str]:
    return [sys.executable, "-m", "snakemake", "--snakefile", str(EXPERIMENTS / "Snakefile"), "--directory", str(plan.run.path),
            "--cores", str(plan.profile.workflow.cores), "--rerun-incomplete",
            "--rerun-triggers", "input", "params", "--nocolor", "--config", f"until={until}"]


def end_leftovers(run: Path) -> None:
    """Ends what works on this run though its workflow was killed: this one goes on where that was, and they must not do it twice."""
    left = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(RUN_VARIABLE) == str(run):
                process.kill()
                left.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
            continue
    psutil.wait_procs(left)


def stop_jobs(workflow: int) -> None:
    """Ends all processes that the workflow has started, but not the workflow, which then fails."""
    try:
        jobs = psutil.Process(workflow).children(recursive=True)
    except psutil.NoSuchProcess:
        return
    for job in jobs:
        try:
            job.terminate()
        except psutil.NoSuchProcess:
            continue


def _where(plan: Plan, until: str) -> str:
    if until == "report":
        return f"The report: {plan.run.report_page}"
    packages = " ".join((EXPERIMENTS / "r-packages.txt").read_text().split())
    return (f"The results: {plan.run.results}\nR is not complete here. For the report type:\n"
            f"sudo apt-get install -y --no-install-recommends r-base-core pandoc {packages} && make analysis RUN={plan.run.path}")


def _failure(run: RunFolder) -> int:
    log = run.workflow_log
    if run.problems.exists():
        for line in json.loads(run.problems.read_text()):
            print(f"error: {line}", file=sys.stderr)
        return 2
    print("".join(log.read_text(errors="replace").splitlines(keepends=True)[-30:]), file=sys.stderr)
    print(f"error: a stage failed; all it said is in {log}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
