"""How the program speaks, as its options say."""

from dataclasses import dataclass

from kdumpkey.cli.options import BatchMode, Debug, DebugJson, Help, TestArgs, Usage, Verbose, Version


@dataclass(frozen=True, eq=False, repr=False)  # every start makes it, and nobody compares or prints it
class Speech:
    """How the program speaks, which every action takes."""

    batch: BatchMode = False
    verbose: Verbose = False
    debug: Debug = False
    debug_json: DebugJson = False
    test_args: TestArgs = False
    help: Help = False
    usage: Usage = False
    version: Version = False
