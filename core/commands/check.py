"""Check now what a tick checks every night: that figures and ledgers are right; and that no file lacks."""

import argparse
import os

from core.commands.databases import opened_database
from core.config import load_settings
from core.database import Database
from core.files import FileStore
from core.logging import get_logger
from core.queries.files import all_named_hashes
from core.services.invariant_checks import CHECKS, Proof, keep_proof, prove

log = get_logger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser  # all of them, always


def run(arguments: argparse.Namespace) -> int:
    """Answers 1 if anything is wrong, or took too long to be proved; what it is stands below each name."""
    del arguments
    settings = load_settings(os.environ)
    with opened_database(settings) as database:
        proofs = [_checked(database, name) for name in CHECKS]
        missing = _count_missing_files(database, FileStore(settings.files))
    return 0 if all(proof.is_whole for proof in proofs) and not missing else 1


def _checked(database: Database, name: str) -> Proof:
    with database.reading() as session:
        proof = prove(session, name=name)
    with database.transaction() as session:
        keep_proof(session, proof)
    unproved = f", {proof.unproved} not proved in time" if proof.unproved else ""
    print(f"{name}: {proof.failures or 'nothing'} wrong{unproved}", flush=True)
    for detail in proof.details:
        print(f"  {detail}", flush=True)
    return proof


def _count_missing_files(database: Database, store: FileStore) -> int:
    """Not every night: a backup reads each file, and says which are missing or damaged."""
    with database.reading() as session:
        missing = [sha256 for sha256 in all_named_hashes(session) if not store.path(sha256).exists()]
    for sha256 in missing:
        log.error("invariant.files", lacks=store.path(sha256))
    print(f"files: {len(missing) or 'nothing'} {'missing' if missing else 'wrong'}", flush=True)
    return len(missing)
