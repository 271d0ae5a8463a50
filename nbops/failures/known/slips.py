"""Slips of the code, and what looks like one: checks of one's own, and values, replies and columns that are not as they were."""

from __future__ import annotations

from nbops.failures.known.words import BAD, COLUMNS, FIELD, LISTED, NO_ARGUMENT, REPLY, ROWS, VALUES_OF
from nbops.failures.rule import Rule

SLIPS = (
    Rule(
        "value.mixed", "dirty_rows", "A column holds values of several kinds.", ename=("TypeError",), last=r"(pandas|numpy)[./]",
        evalue=r"not supported between instances of",
    ),
    Rule(
        "tuple.missing", "schema_change", "The table lacks a column that the code asks for.", ename=("AttributeError",),
        evalue=r"^'Pandas' object",
    ),
    Rule(
        "assert.status", "data_access", "The notebook finds that a reply is not what it asked for.", own=True, ename=("AssertionError",),
        code=r"^assert (?!.*(server|TestClient)).*(\.ok\b|\bstatus(_code)?\b)",
    ),
    Rule(
        "assert.file", "data_access", "The notebook finds that a file is not there, or empty.", own=True, ename=("AssertionError",),
        code=r"^assert (?!not\b).*\b(exists|is_file|is_dir|isfile|isdir|getsize)\(|^assert .*\bst_size\b",
    ),
    Rule(
        "assert.columns", "schema_change", "The notebook finds that columns are not as it expects them.", own=True,
        ename=("AssertionError",),
        origin=rf"^assert .*{COLUMNS}"
               r"|^assert [^\n]*\b(columns?|header|cols|schema)\b",
    ),
    Rule(
        "assert.listed", "data_access", "The notebook finds no files.", own=True, ename=("AssertionError",),
        origin=rf"^assert (len\(|bool\(|any\()?(?P<name>\w+)\)?( *(>|>=|!=) *\d+)?(,.*)?\n(?s:.*)\b(?P=name) <- (?P=name) = .*{LISTED}",
    ),
    Rule(
        "assert.absent", "data_access", "The notebook finds that data is not there, or old.", own=True, ename=("AssertionError",),
        origin=r"^assert (?!.*\b(isinstance|callable|hasattr)\()",
        # Fewer words than for other errors: an assert is of the code more often.
        evalue=r"(?i)\bno (new )?(files?|exports?|deliver(y|ies)|partitions?|snapshots?|uploads?)\b|\b(stale|outdated|out of date)\b"
               r"|\bnothing (was |has been |has )?(delivered|arrived|come|received|uploaded)\b|\d (days?|hours?) (old|late|behind)\b"
               r"|\b(file|export|delivery|feed|snapshot|partition|source)s? .*\b(missing|not found|not (yet )?(there|arrived)|empty"
               r"|late|too old)\b",
    ),
    Rule(
        "assert.fresh", "data_access", "The notebook finds that data is old.", own=True, ename=("AssertionError",),
        code=r"^assert .*\b(\w+_)?(newest|latest|last|age|freshness|mtime|updated|modified|delivered)(_\w+)?\b.*"
             r"(\b[Tt]imedelta\(|\.days\b|\bhours?\b|\bnow\(|\btoday\b)",
    ),
    Rule(
        "assert.rows", "dirty_rows", "The notebook finds that rows are not as it expects them.", own=True, ename=("AssertionError",),
        # Of a table's column, or counted of it: missing, doubled, within bounds.
        origin=rf"^assert (?!.*\b(isinstance|callable|hasattr|allclose)\()(?s:.*){VALUES_OF}",
    ),
    Rule(
        "assert.values", "dirty_rows", "The notebook finds that values of a table are not as it expects them.", own=True,
        ename=("AssertionError",),
        origin=r"^assert [^\n]*\w\.(max|min|sum|mean|median|std)\(\)(?s:.*)<- .*\b(pd|pl)\.|^assert (?s:.*)\w(\[['\"][^'\"]+['\"]\]"
               r"|\.\w+)\.(max|min|sum|mean|median|std|count)\(\)"
               r"|^assert .*\w\[['\"][^'\"]+['\"]\].*\)?\.(all|any)\(\)"
               rf"|^assert (not )?{FIELD}[^\n]*"
               r"|^assert [^\n]*\b(?P<row>\w+)\[['\"][^\n]*\n(?s:.*)(?P=row) <- for (?P=row) in "
               r"|^assert .*\ball\(.*\b(row|record|item|order|value|price|date)\w*\b.* for ",
    ),
    Rule(
        "assert.count", "dirty_rows", "The notebook finds too few rows, or too many.", own=True, ename=("AssertionError",),
        origin=r"^assert (?![^,]*\blen\([^,]*==[^,]*\blen\()(?![^,]*\.shape[^,]*\.shape)(?!.*\bis (not )?None\b).*(\blen\(|\.shape\[0\]"
               r"|\.height\b|\.num_rows\b"
               r"|\.empty\b|\w*(rows|count)\w*\b)(?s:.*)(\b(pd|pl|pq|duckdb)\.|read_|execute\(|\.sql\(|fetch(one|all|df)|"
               + REPLY[1:],
    ),
    Rule(
        "assert.told", "dirty_rows", "The notebook finds that rows are not as it expects them.", own=True, ename=("AssertionError",),
        evalue=rf"{NO_ARGUMENT}(\b{ROWS}\b.*\b{BAD}\b|\b{BAD}\b.*\b{ROWS}\b|\b\d[\d,.]*%? (of|\w+) .*\b{BAD}\b)",
        origin=r"^assert (?!.*\b(isinstance|callable|hasattr)\()",
    ),
    Rule(
        "reply.changed", "schema_change", "A reply or document is not built as the code expects it.", own=True,
        ename=("TypeError", "AttributeError"),
        evalue=r"^(string|byte) indices must be integers|^(list|tuple) indices must be integers or slices, not str"
               r"|^'(NoneType|str|list|int|float|bool)' object is not (subscriptable|iterable)"
               r"|^'(list|str|int|float|NoneType)' object has no attribute '(get|items|keys|values|append)'",
        origin=rf"^(?!.*\b(conf|config|settings|params)\b)(?s:.*){REPLY}",
    ),
    Rule(
        "page.changed", "schema_change", "A page or document lacks an element that the code asks for.", own=True,
        ename=("AttributeError", "TypeError"), evalue=r"^'NoneType' object ",
        code=r"\.(find|find_next|select_one|find_parent|getroot|xpath)\([^)]*\)(\.|\[)",
    ),
    Rule(
        "value.gap", "dirty_rows", "A value is missing among texts.", ename=("TypeError", "AttributeError"),
        evalue=r"^'float' object has no attribute '(strip|[lr]strip|lower|upper|split|replace|startswith|endswith|title|encode|find|join"
               r"|isdigit"
               r"|zfill|casefold|capitalize|format|removeprefix|removesuffix)'|^expected string or bytes-like object, got 'float'"
               r"|^argument of type 'float' is not|^object of type 'float' has no len"
               r"|^sequence item [1-9]\d*: expected str instance, (float|NoneType)",
    ),
    Rule(
        "value.number", "dirty_rows", "A number stands among texts.", own=True, ename=("AttributeError",), code=r"\bfor\b|\blambda\b",
        evalue=r"^'int' object has no attribute '([lr]?strip|lower|upper|split|replace|startswith|endswith|title|encode|find)'",
    ),
    Rule(
        "value.sorted", "dirty_rows", "A column holds values of several kinds.", own=True, ename=("TypeError",),
        evalue=r"not supported between instances of '(str|float|NoneType)' and '(str|float|NoneType)'", code=r"\bsorted\(|\.sort\("
                                                                                                             r"|\.unique\(",
    ),
    Rule(
        "value.null", "dirty_rows", "A record lacks a value.", own=True, ename=("TypeError", "AttributeError"), evalue="NoneType",
        code=FIELD,
    ),
    Rule(
        "value.none", "dirty_rows", "A record lacks a value.", own=True, ename=("TypeError", "AttributeError"), evalue="NoneType",
        origin=r"^[^\n]*\b(?P<row>\w+)(\[['\"]|\.get\()(?s:.*)\bfor (?P=row) in\b",
    ),
    Rule(
        "column.type", "schema_change", "A column is of another type.", ename=("AttributeError",), own=False,
        evalue=r"^Can only use \.(str|dt|cat|list|struct) accessor",
    ),
    Rule(
        "column.text", "schema_change", "A column that should hold numbers is text.", ename=("TypeError",), own=False,
        last=r"pandas[./]|<__array_function__|arrow",
        evalue=r"not supported for dtype '?\W*(str|object|string)|with (string|str|object) dtype|does not support (operation"
               r"|reduction) .*(str|object)"
               r"|unsupported operand type\(s\) for .*'(str|dict|list)'|^Only valid with DatetimeIndex|can only concatenate str"
               r"|can't multiply sequence by non-int"
               r"|agg function failed \[.*dtype->(object|str)|dtype '?(str|object|string)'? (does not|cannot)",
    ),
    Rule(
        "column.attribute", "schema_change", "The table lacks a column that the code asks for.", own=True, ename=("AttributeError",),
        # A method would be called.
        evalue=r"^'(DataFrame|Series|DataFrameGroupBy|LazyFrame|Row|Table|DuckDBPyRelation)' object", code=r"\.(?P<name>\w+)\b(?! ?\().*"
                                                                                                           r"\n.*attribute '(?P=name)'",
    ),
    Rule(
        "code.slip", "code_bug", "The code is wrong.",
        ename=(
            "NameError", "UnboundLocalError", "ZeroDivisionError", "AssertionError", "NotImplementedError", "RecursionError",
            "SyntaxError", "IndentationError", "TabError",
        ),
    ),
    Rule(
        "date.moved", "code_bug", "The code moves a date to where the calendar has none.", ename=("ValueError",), own=True,
        evalue=r"^(day is out of range for month|(year|month|day|hour|minute|second) .*(must be in|out of range))",
        code=r"\.replace\(|\b(date|datetime|time|Timestamp)\([^\n]*\w\)? *[-+] *\w",
    ),
    Rule(
        "column.checked", "schema_change", "The notebook finds that a column is of another type.", own=True, on_purpose=True,
        ename=("TypeError",), words=r"(?i)\b(column|field|dtype|schema)s?\b",
    ),
    Rule(
        "code.type", "code_bug", "The code uses a value as what it is not.", ename=("TypeError", "AttributeError"),
        evalue=r"^(?![Cc]ould not convert)",
    ),
)  # fmt: skip
