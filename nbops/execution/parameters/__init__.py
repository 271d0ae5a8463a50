"""Typed parameters: what a notebook's parameters cell takes, given values checked against it, and the cell that sets them.

`read` an interface, `resolve` given values, `check` that no later cell throws them away; then `source` is the cell to inject, `plain`
goes into the notebook's metadata and `recorded` into the run. By `ast` alone: nothing of a notebook is evaluated.
"""

from nbops.execution.parameters.form import Field, fields
from nbops.execution.parameters.interface import Expression, Interface, Parameter
from nbops.execution.parameters.proposing import Proposal, propose, tagged
from nbops.execution.parameters.reading import read
from nbops.execution.parameters.reassigning import Reassigned, check, reassigned
from nbops.execution.parameters.resolving import Problem, problems, resolve, unreadable
from nbops.execution.parameters.telling import help_text, to_dict
from nbops.execution.parameters.typed import Type, Word
from nbops.execution.parameters.writing import inject, plain, recorded, source

__all__ = [
    "Expression",
    "Field",
    "Interface",
    "Parameter",
    "Problem",
    "Proposal",
    "Reassigned",
    "Type",
    "Word",
    "check",
    "fields",
    "help_text",
    "inject",
    "plain",
    "problems",
    "propose",
    "read",
    "reassigned",
    "recorded",
    "resolve",
    "source",
    "tagged",
    "to_dict",
    "unreadable",
]
