"""`phi2chat curate validate`: name every problem of every file, and mend what needs no asking."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from curation.errors import UserError
from phi2chat.records.many_cores import ENGINE, JOBS, choose_engine
from phi2chat.units import spell_count

if TYPE_CHECKING:
    from curation.engines import Engine
    from curation.findings import Findings
    from curation.scan import FileSource
    from phi2chat.records.reports import Report
    from phi2chat.terminal.screen import Screen

PATH = click.Path(path_type=Path)


class RuleNames(click.ParamType[tuple[str, ...]]):
    """Ids of rules, beginnings of ids, or sections, with commas between them."""

    name = "rules"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        from curation.rules import choose

        names = tuple(name.strip() for name in str(value).split(","))
        try:
            choose(names)
        except UserError as error:
            self.fail(str(error), param, ctx)
        return names


@click.command("validate")
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option(
    "--format", "output", type=click.Choice(["text", "json", "sarif", "github"]), default="text", show_default=True
)
@click.option("--select", multiple=True, type=RuleNames(), help="Only these rules: ids, beginnings of ids, sections.")
@click.option("--ignore", multiple=True, type=RuleNames(), help="Not these rules.")
@click.option("--against", multiple=True, type=PATH, metavar="FILE", help="Name what stands in this file, too.")
@click.option(
    "--fix", is_flag=True, help="Mend line ends, blank lines and a byte order mark; records stay as they are."
)
@click.option("--baseline", type=PATH, metavar="FILE", help="Accept the findings that this file names.")
@click.option("--update-baseline", is_flag=True, help="Write what is found now to the file of --baseline.")
@click.option("--tokenizer", metavar="BASE", help="Count tokens as this base does: name or folder.")
@click.option("--max-length", type=click.IntRange(1), help="With --tokenizer: tokens that a record may have.")
@ENGINE
@JOBS
@click.pass_context
def validate(
    ctx: click.Context,
    files: tuple[Path, ...],
    output: str,
    select: tuple[tuple[str, ...], ...],
    ignore: tuple[tuple[str, ...], ...],
    against: tuple[Path, ...],
    fix: bool,
    baseline: Path | None,
    update_baseline: bool,
    tokenizer: str | None,
    max_length: int | None,
    engine: str,
    jobs: int,
) -> None:
    """Name every problem of every file: path:line:column: field: message [rule].

    docs/rules.md has all rules. Exit code 0: no errors, 1: errors, 2: wrong usage.
    """
    if update_baseline and baseline is None:
        raise click.UsageError("--update-baseline: name the file with --baseline")
    if (tokenizer is None) != (max_length is None):
        raise click.UsageError("--tokenizer and --max-length: give both")
    from curation.rules import choose
    from phi2chat.terminal.screen import Screen

    screen = Screen()
    chosen = choose(_flat(select), _flat(ignore))
    accepted = _read_accepted(baseline) if baseline and not update_baseline else None
    if fix:
        _fix(files, chosen, screen)
    report = _check(files, against, chosen, choose_engine(engine, jobs), tokenizer, max_length, screen)
    if baseline and update_baseline:
        from curation.baseline import write_baseline

        write_baseline(baseline, report.findings)
        screen.note(f"{spell_count(len(report.findings), 'finding')} accepted in {baseline}")
        accepted = _read_accepted(baseline)
    if accepted is not None:
        from curation.baseline import without_accepted

        report = dataclasses.replace(report, findings=without_accepted(report.findings, accepted))
    _show(report, output, len(files), screen)
    ctx.exit(1 if report.errors else 0)


def _check(
    files: Sequence[Path],
    against: Sequence[Path],
    chosen: frozenset[str],
    engine: "Engine",
    tokenizer: str | None,
    max_length: int | None,
    screen: "Screen",
) -> "Report":
    from curation.findings import AllFindings
    from curation.probes import is_probe_file, scan_probes
    from curation.scan import scan_file
    from phi2chat.records.reports import Report

    findings: list[Findings] = []
    unreadable: list[str] = []
    sources: list[FileSource] = []
    records = 0
    leaks = chosen & {"leak", "near-leak"}
    others = [scan_file(path, leaks, engine=engine).source for path in against] if leaks else []
    for path in files:
        try:
            if is_probe_file(path):
                screen.note(f"{path}: is a file of probes, and is checked as one")
                scan = scan_probes(path, chosen, others)
            else:
                scan = scan_file(path, chosen if others else chosen - leaks, others, engine)
        except UserError as error:
            unreadable.append(str(error))
            continue
        records += scan.lines
        findings.append(scan.findings)
        sources.append(scan.source)
    rates: dict[str, float] = {}
    if tokenizer is not None and max_length is not None:
        from phi2chat.records.tokens import count_tokens

        paths = [source.path for source in sources]
        too_long, rates = count_tokens(paths, tokenizer, max_length, screen)
        for source, found in zip(sources, findings, strict=True):
            found.add(one for one in too_long if one.path == source.path and one.rule in chosen)
    return Report(records, AllFindings(findings), unreadable, rates)


def _read_accepted(baseline: Path) -> frozenset[str]:
    from curation.baseline import read_baseline

    return read_baseline(baseline)


def _fix(files: Sequence[Path], chosen: frozenset[str], screen: "Screen") -> None:
    from curation.fix import fix_file

    for path in filter(Path.is_file, files):  # of the others, the check says what they are
        counts = fix_file(path, chosen)
        for rule, count in counts.items():
            screen.note(f"{path}: mended {spell_count(count, 'line')} [{rule}]", "good")


def _show(report: "Report", output: str, files: int, screen: "Screen") -> None:
    from phi2chat.records.reports import as_github, as_json, as_sarif

    if output == "json":
        print(as_json(report))
    elif output == "sarif":
        print(as_sarif(report))
    elif output == "github":
        if report.errors or report.warnings:
            print(as_github(report))
    else:
        for sentence in report.unreadable:
            screen.say(sentence, "error")
        screen.findings(report.findings)
        for language, rate in report.characters_per_token.items():
            screen.note(f"{language}: {rate:.2f} characters a token")
        counts = [spell_count(report.records, "record"), spell_count(files, "file")]
        of_them = [spell_count(report.errors, "error"), spell_count(report.warnings, "warning")]
        screen.say(f"{' in '.join(counts)}: {', '.join(of_them)}", "error" if report.errors else "good")


def _flat(names: Sequence[Sequence[str]]) -> list[str]:
    return [name for several in names for name in several]
