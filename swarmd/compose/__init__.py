"""Compose files to service specs.  Pure: text and answers of the API in, bodies for the API out.

    load      (name, text)… → Loaded: one checked and merged model, and notes on what has no effect
    specs     Loaded, stack → StackSpecs: ServiceSpecs and NetworkCreates in Docker's shape
    stack_plan  StackSpecs, what exists → the operations, in order
    render    Loaded → YAML, as `stack config` prints it

Inside, in the order in which a file goes through them:

    document      YAML as Compose reads it, with lines      interpolate   $VARIABLES
    schema        the format: every key and its shape       shapes        readers of one value
    ports mounts  short syntaxes                            values        durations, sizes, words
    resources     networks, volumes: names, external        envfile       .env and env_file
    load          all of that, for each file                merge         file over file
    model         the types of the outcome                  notes errors  what is said to people
    containers networks convert                             the model to the API
    notyet        secrets, configs and the like, refused for now
    stack         the plan                                  render        the model to YAML

The CLI imports this on every `stack deploy`, so it imports PyYAML and the standard library only.
"""

from swarmd.compose.convert import StackSpecs, specs
from swarmd.compose.envfile import parse_env_file
from swarmd.compose.errors import ComposeError, NotYetError
from swarmd.compose.load import Loaded, load
from swarmd.compose.notes import Note, Severity
from swarmd.compose.render import render
from swarmd.compose.stack import (
    CreateNetwork,
    CreateService,
    Operation,
    RemoveService,
    UpdateService,
    stack_plan,
)

__all__ = [
    "ComposeError",
    "CreateNetwork",
    "CreateService",
    "Loaded",
    "NotYetError",
    "Note",
    "Operation",
    "RemoveService",
    "Severity",
    "StackSpecs",
    "UpdateService",
    "load",
    "parse_env_file",
    "render",
    "specs",
    "stack_plan",
]
