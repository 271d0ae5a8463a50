"""What the code says itself of what it found: by the condition that it stands under, and by its words."""

from __future__ import annotations

from nbops.failures.known.words import ABSENT, COLUMNS, LISTED, NO_ARGUMENT, VALUES_OF
from nbops.failures.rule import Rule

# The last to be asked: words that people choose for errors of their own. What they say of arguments is about the code.
WORDS = (
    Rule(
        "told.value", "data_access", "The code says that data is not there.", own=True, on_purpose=True, words=ABSENT,
        ename=("ValueError", "TypeError", "KeyError", "IndexError", "LookupError"),
    ),
    Rule(
        "told.columns", "schema_change", "The notebook finds that the columns are not those that it expects.", own=True, on_purpose=True,
        origin=rf"\nif <- .*{COLUMNS}|\nif <- (not )?(?P<name>\w+)(?s:\n.*)?\n(?P=name) <- (?P=name) = .*{COLUMNS}",
    ),
    Rule(
        "told.rows", "dirty_rows", "The notebook finds that rows are not as it expects them.", own=True, on_purpose=True,
        origin=rf"\nif <- .*{VALUES_OF}|\nif <- [^\n]*\b(?P<name>\w+)\b[^\n]*\n(?s:.*)(?P=name) <- (?P=name) = .*{VALUES_OF}",
    ),
    Rule(
        "told.files", "data_access", "The notebook finds no files.", own=True, on_purpose=True,
        origin=rf"\nif <- not (?P<name>\w+)(?s:\n.*)?\n(?P=name) <- (?P=name) = .*{LISTED}|\nif <- len\((?P<list>\w+)\) (== 0"
               rf"|< 1)(?s:\n.*)?"
               rf"\n(?P=list) <- (?P=list) = .*{LISTED}|\nif <- not .*\.(exists|is_file|is_dir|isfile|isdir|ismount)\(",
    ),
    Rule(
        "told.argument", "code_bug", "The code refuses a value that it was given.", own=True, on_purpose=True,
        ename=("ValueError", "TypeError", "KeyError", "IndexError", "LookupError"),
    ),
    Rule(
        "told.busy", "transient", "The code says that a service was busy or lost.", own=True, on_purpose=True,
        words=NO_ARGUMENT + r"(temporar(il)?y|try again|too many (connections|requests)|rate.?limit|throttl|service unavailable|overloaded"
               r"|maintenance|shutting down|connection (was )?(lost|reset|dropped|closed|aborted)|(api|server|service|host"
               r"|connection|request|read)\b.*\btime(d )?out|did not (answer|respond)|no (answer|response) from|\bbusy\b"
               r"|\b(another|other)\b.*\b(running|active|in progress)\b|(locked|in use|held) by)",
    ),
    Rule(
        "service.busy", "transient", "The service was busy or lost.",
        ename=(
            "OperationalError", "InterfaceError", "InternalError", "DatabaseError", "HTTPException", "ClientError", "ServerError",
            "ApiError", "APIError", "OSError", "ServiceUnavailable", "TooManyRequests", "RateLimitError",
        ),
        evalue=NO_ARGUMENT + r"(temporarily|try again|too many (connections|requests|clients)|rate.?limit|throttl|service unavailable"
               r"|overloaded|shutting down|starting up|gone away|EOF occurred|timed out|connection .*(lost|reset|dropped|aborted))",
    ),
    Rule(
        "told.late", "timeout", "The code says that something took too long.", own=True, on_purpose=True,
        words=NO_ARGUMENT + r"(\btime ?out\b|\btimed out\b|took (longer|too long)|(time ?limit|deadline) (was )?(exceeded"
               r"|reached)|(exceeded|beyond|over) .*(time ?limit|deadline)"
               r"|did not (end|finish|complete|start|come up) (in|within|after)"
               r"|not (yet )?(ready|done|over|finished|completed?|available) (in|within|after) [\d.]+|still running|(used up|spent"
               r"|over) .*\b(time|minutes|hours|seconds))",
    ),
    Rule(
        "told.died", "kernel_death", "The code says that a process died.", own=True, on_purpose=True,
        words=r"(?i)exit ?code:? -\d+|(process|worker|child|kernel) .*\b(died|crashed|was killed)\b|killed by signal",
    ),
    Rule(
        "told.full", "resource", "The code says that memory or disk ran out.", own=True, on_purpose=True,
        words=NO_ARGUMENT + r"\b((not enough|insufficient|out of|too little|low on|no|only) .*\b(memory|ram|disk|space)\b"
               r"|disk (is )?(almost )?full|can(no|')t (start new thread|allocate|fork)|too many open files)",
    ),
    Rule("told.absent", "data_access", "The code says that data is not there.", own=True, on_purpose=True, words=ABSENT),
)  # fmt: skip
