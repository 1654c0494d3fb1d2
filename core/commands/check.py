"""Check now what a tick checks every night: that totals, ledgers and numbers are right."""

import argparse
import os

from sqlalchemy.exc import SQLAlchemyError

from core.config import load_settings
from core.database import Database, is_unavailable
from core.errors import DatabaseUnavailable
from core.services.invariant_checks import CHECKS, Proof, keep_proof, prove


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser  # all of them, always


def run(arguments: argparse.Namespace) -> int:
    """Answers 1 if anything is wrong, or took too long to be proved; what it is stands below each name."""
    del arguments
    database = Database(load_settings(os.environ).database, pool_size=1)
    try:
        proofs = [_checked(database, name) for name in CHECKS]
    except SQLAlchemyError as error:
        if not is_unavailable(error):
            raise
        raise DatabaseUnavailable(f"OUTLAY_DATABASE_URL: {' '.join(str(error).split())}") from error
    finally:
        database.close()
    return 0 if all(proof.is_whole for proof in proofs) else 1


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
