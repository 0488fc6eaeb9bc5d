"""Whether a file that is not held in memory keeps the contract."""

from curation.record_file import RecordFile
from curation.rules import require_no_faults, rules_of_contract
from curation.scan import scan_file
from curation.store import changed_meanwhile, sha256_of


def require_contract_of(source: RecordFile) -> None:
    """As `rules.require_contract` for a dataset. Raises UserError also where the file has changed since."""
    scan = scan_file(source.path, rules_of_contract())
    require_no_faults(source.path, scan.findings, scan.lines)
    if sha256_of(source.path) != source.sha256:
        raise changed_meanwhile(source.path)
