"""Why something failed: nine classes, rules as data that tell them apart, and the record of what was done about it."""

from nbops.failures.evidence import (
    Evidence,
    Fault,
    Frame,
    evidence_from_error,
    evidence_from_exit,
    evidence_from_outputs,
    evidence_from_text,
)
from nbops.failures.known import RULES
from nbops.failures.requests import CorrectiveAction, record_action
from nbops.failures.rule import EXIT_STATUSES, MEANINGS, Rule
from nbops.failures.rules import Verdict, all_rules, classify
from nbops.records import FailureClass

__all__ = [
    "EXIT_STATUSES",
    "MEANINGS",
    "RULES",
    "CorrectiveAction",
    "Evidence",
    "FailureClass",
    "Fault",
    "Frame",
    "Rule",
    "Verdict",
    "all_rules",
    "classify",
    "evidence_from_error",
    "evidence_from_exit",
    "evidence_from_outputs",
    "evidence_from_text",
    "record_action",
]
