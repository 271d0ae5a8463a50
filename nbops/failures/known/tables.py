"""Tables and records of another shape, and values that are not what they should be."""

from __future__ import annotations

from nbops.failures.known.words import BAD, REPLY, ROWS
from nbops.failures.rule import Rule

SHAPES = (
    Rule(
        "column.missing", "schema_change", "The table lacks a column that the code asks for.",
        ename=("KeyError", "ArrowKeyError"), last=r"(pandas|pyarrow|narwhals|polars|dask)[./]", evalue=r"^(?!-?\d|Timestamp)",
    ),
    Rule(
        "record.missing", "schema_change", "A record lacks a field that the code asks for.", ename=("KeyError",), own=True,
        # The line itself names the key: that of a table looked up with a record's value is no field.
        code=r"(?=.*[\[(]['\"](?P<key>[^'\"]+)['\"][\])].*\n'(?P=key)')"
             r".*(\b(\w+_)?(row|record|rec|item|entry|event|doc|payload|reply|response|line|feature)\w*\[|\.attrib\[|\bjson\(\)|\bloads?\("
             r"|\bitemgetter\(|\b(?P<each>\w+)(\.\w+)?\[.*\bfor (?P=each) in\b)",
    ),
    Rule(
        "reply.field", "schema_change", "A reply or document lacks a field that the code asks for.", ename=("KeyError",), own=True,
        # The line itself names the key, of what was not made by the code.
        origin=rf"(?s)^(?![^\n]*\b(conf|config|settings|params|options)\b)(?=[^\n]*['\"](?P<key>[^'\"\n]+)['\"].*\n'(?P=key)'$).*{REPLY}",
    ),
    Rule(
        "reply.shape", "schema_change", "A reply is not built as the code expects it.", ename=("ValueError", "TypeError"), own=False,
        evalue=r"^If using all scalar values|^All arrays must be of the same length|^Mixing dicts with non-Series", origin=REPLY,
    ),
    Rule(
        "column.number", "schema_change", "The table has fewer columns than the code asks for.", ename=("IndexError",), own=False,
        evalue=r"out[- ]of[- ]bounds", origin=r"\.(iloc|iat)\[:, ?|\.(iloc|iat)\[[^\]]*, ?-?[1-9]\d*\]|\.columns\[",
    ),
    Rule(
        "types.changed", "schema_change", "A column is of another type.", own=False,
        ename=(
            "InvalidOperationError", "SchemaError", "ComputeError", "ValueError", "ArrowNotImplementedError", "ArrowTypeError",
            "ShapeError",
        ),
        evalue=r"cannot compare string with|column names don't match|DataFrame of width|arithmetic on .*\bstr\b"
               r"|operation not supported for dtype"
               r"|datatypes of join keys|for dtype.*`?str|dtypes (for data )?must be int"
               r"|Target schema's field names|expected .+ type,? got|not supported for dtype",
    ),
    Rule(
        "field.missing", "schema_change", "The table lacks a column that the code asks for.",
        ename=("KeyError", "ValueError", "IndexError", "ArrowInvalid", "ArrowKeyError"),
        evalue=r"does not exist in schema|No match for FieldRef|^no field of name|^No item with that key",
    ),
    Rule(
        "columns.changed", "schema_change", "The columns are not those that were expected.",
        ename=("ValueError", "LightGBMError", "XGBoostError", "CatBoostError"), own=False,
        evalue=r"^(?!.*\bmust\b).*(\b([Uu]se)?(columns?|cols|[Ff]eatures?|feature[_ ]names?)\b"
               r".*\b(not|missing|expect\w*|passed|unknown|match|mismatch\w*|different)\b"
               r"|\b[Mm]issing column|trying to merge on .+ columns|Length mismatch: Expected axis)",
    ),
    Rule(
        "sheet.missing", "schema_change", "A workbook lacks the sheet that the code asks for, or a page the table.", own=False,
        ename=("ValueError", "KeyError", "SheetNotFoundError", "WorksheetNotFoundError", "XLRDError"),
        evalue=r"(?i)\b(work)?sheets? .*(not found|does not exist|missing)|^no (sheet|worksheet|tables? found)",
    ),
    Rule(
        "schema.changed", "schema_change", "Tables that belong together differ in their columns.",
        ename=("ArrowInvalid", "ArrowTypeError", "InvalidInputException"),
        evalue=r"Schema at index|Unable to merge: Field|incompatible types|[Ss]chema mismatch|union_by_name",
    ),
    Rule(
        "columns.checked", "schema_change", "The notebook finds that the columns are not those that it expects.", own=True, on_purpose=True,
        words=r"(?i)\b(missing|unexpected|unknown|required|new|extra|no|lacks?|without)\b.*\b(column|field|table|header|layout)s?\b"
               r"|\b(column|field|table|header|layout)s?\b.*\b(missing|not found|gone|changed|expected|required|renamed|differ)|\bschema\b"
              r"|\bd?types?\b.*\bchanged|\b(not|no longer) (numeric|an? (int\w*|float|number|string|text|date\w*))\b",
    ),
    Rule(
        "table.unfit", "dirty_rows", "Values of a table break the checks of its schema.", ename=("SchemaError", "SchemaErrors"),
        evalue=r"failed (element-wise |series or dataframe )?validator|failure cases|non-nullable series|contains duplicate"
               r"|SCHEMA_CONTAINS_NULLS"
               r"|(?s:^(?!.*COLUMN_NOT_IN)(?!.*WRONG_DATATYPE).*DATAFRAME_CHECK)",
    ),
    Rule(
        "record.unfit", "schema_change", "Records lack a field that they must have, or have one that nobody knows.",
        ename=("ValidationError", "SchemaError", "SchemaErrors"),
        evalue=r"^[^\n]*(required|missing|unknown|unexpected|dditional propert|column)|\n +(Field required|Extra inputs)",
    ),
    Rule(
        "schema.told", "schema_change", "The columns are not those that were expected.",
        ename=("SchemaError", "SchemaMismatch", "SchemaMismatchError", "SchemaChanged", "SchemaChangedError"),
    ),
    Rule(
        "sql.wrong", "code_bug", "The query makes no sense.", ename=("BinderException",),
        evalue=r"GROUP BY|aggregate|[Aa]mbiguous|[Ss]ubquer|[Ww]indow|(WHERE|HAVING|LIMIT|ORDER) |lambda|macro|[Pp]arameter",
    ),
    Rule("sql.column", "schema_change", "A query names a column that is not there, or is of another type.", ename=("BinderException",)),
    Rule(
        "sql.table", "schema_change", "A query names a table that is not there.", ename=("CatalogException",),
        evalue=r"^(?!.*already exists).*\b(Table|View|Schema)\b",
    ),
    Rule(
        "sql.missing", "schema_change", "A query names a table or column that is not there.",
        ename=("OperationalError", "ProgrammingError", "DatabaseError"),
        evalue=r"no such (table|column)|has no column named|has \d+ columns but|(relation|column|table) .+ does(n't"
               r"| not) exist|Unknown column",
    ),
    Rule(
        "sql.undefined", "schema_change", "A query names a table or column that is not there.",
        ename=(
            "UndefinedColumn", "UndefinedTable", "NoSuchTableError", "NoSuchColumnError", "ColumnNotFoundError",
            "SchemaFieldNotFoundError", "StructFieldNotFoundError",
        ),
    ),
)  # fmt: skip

VALUES = (
    Rule(
        "value.missing", "dirty_rows", "Values are missing where none may be.", own=False,
        ename=(
            "ValueError", "IntCastingNaNError", "InvalidJSONError", "XGBoostError", "LightGBMError", "CatBoostError", "MissingDataError",
        ),
        evalue=r"\b(NaNs?|NAs?|infinity|infs?|nulls?|non-finite|not finite|missing values?)\b|not JSON compliant",
    ),
    Rule(
        "rows.few", "dirty_rows", "There are no rows, or too few.", ename=("ValueError", "StatisticsError"), own=False,
        evalue=r"greater than the (number of|smallest) (samples|members)|resulting train set will be empty|n_samples ?= ?\d+.*(should be"
               r"|must be) >="
               r"|n_neighbors <= n_samples|^Found array with 0 |at least 2 classes|least populated class|^zero-size array"
               r"|^attempt to get arg(max|min) of an empty|at least (one|two) data points?"
               r"|(not enough|too few) (samples|observations|data|rows|points)",
    ),
    Rule(
        "row.none", "dirty_rows", "There is no such row.", ename=("IndexError",),
        evalue=r"^single positional indexer is out-of-bounds|with size 0$|^index -?\d+ is out of bounds for sequence of length 0",
        origin=r"\.(iloc|iat)\[-?[01]\]|\.(values|to_numpy\(\)|item)\b|\[-?[01]\]",
    ),
    Rule(
        "row.short", "dirty_rows", "A row has too few fields, or too many.", ename=("IndexError",), own=True,
        evalue=r"^list index out of range", code=r"\b(\w+_)?(row|fields?|cells?|parts|line|record|tokens)\[\d+\]|\.split\([^)]*\)\[-?\d+\]",
    ),
    Rule(
        "row.uneven", "dirty_rows", "A row has too few fields, or too many.", ename=("ValueError",),
        evalue=r"values to unpack|number of columns changed from|^Some errors were detected",
        origin=r"^[^\n]*(\.split\(| in (\w+_)?(rows|lines|reader|records)\b| = (\w+_)?(row|line|record|fields|parts)$|loadtxt"
               r"|genfromtxt|reader\()",
    ),
    Rule(
        "value.large", "dirty_rows", "A value is larger than its column can hold.", ename=("OverflowError",),
        evalue=r"out of bounds for|too large to convert|int too (large|big)",
    ),
    Rule(
        "value.unreadable", "dirty_rows", "A value is not what its column should hold.",
        ename=("ValueError", "TypeError", "InvalidOperation"), on_purpose=False,
        evalue=r"[Cc]ould not convert|invalid literal for int|time data .+ match|unconverted data|isoformat string|day is out of range"
               r"|month must be|cannot convert float|non-hexadecimal|ConversionSyntax|is out of range",
    ),
    Rule(
        "value.refused", "dirty_rows", "A value is not what its column should hold.", ename=("ValueError", "TypeError"), own=False,
        evalue=r"[Cc]ould not convert|time data .+ match|Unable to parse string|^Expected object or value|unknown categor|unseen labels"
               r"|[Oo]ut of bounds|duplicate (entries|labels|keys|values)|[Bb]adly formed|[Mm]alformed|does not appear to be"
               r"|Unexpected character|[Uu]nknown (string )?format|[Ii]nvalid (date|time|number|character|byte|data)\b"
               r"|not a valid (date|time|number)|(nonexistent|[Aa]mbiguous) time|infer dst time",
    ),
    Rule(
        "value.cast", "dirty_rows", "A value is not what its column should hold.", own=False,
        ename=("InvalidOperationError", "ComputeError", "NonExistentTimeError", "AmbiguousTimeError"),
        evalue=r"conversion .*failed|[Cc]ould not parse|is (ambiguous|non-existent)|invalid utf-?8|more fields than|^\d{4}-\d\d-\d\d"
               r"|infer dst time",
    ),
    Rule(
        "rows.checked", "dirty_rows", "The notebook finds that rows are not as it expects them.", own=True, on_purpose=True,
        words=rf"(?i)\b{ROWS}\b.*\b{BAD}\b|\b{BAD}\b.*\b{ROWS}\b"
              rf"|\b\d[\d.,]*%?( of)?( \w+){{0,2}} {BAD}\b|\b(found|has|have|contains?|there are)\b.*\b(duplicates?|nulls?|nans?"
              rf"|outliers?|gaps?)\b"
              r"|\bunknown (\w+ )?(codes|values|categories|countries|currencies|stations|shops|stores|customers|products|ids|labels)\b",
    ),
    Rule(
        "value.broken", "dirty_rows", "A row cannot be read.",
        ename=(
            "UnicodeDecodeError", "JSONDecodeError", "ParserError", "DateParseError", "OutOfBoundsDatetime",
            "ConversionException", "ConstraintException", "OutOfRangeException", "IntegrityError", "ParseError", "ExpatError",
            "XMLSyntaxError", "ValidationError", "DataError", "DataQualityError", "DataValidationError", "UniqueViolation",
            "NotNullViolation",
            "ForeignKeyViolation", "CheckViolation", "ExclusionViolation", "InvalidTextRepresentation", "NumericValueOutOfRange",
            "StringDataRightTruncation", "DatetimeFieldOverflow", "InvalidDatetimeFormat", "CharacterNotInRepertoire",
            "UntranslatableCharacter", "DuplicateKeyError", "BulkWriteError",
        ),
    ),
    Rule("keys.doubled", "dirty_rows", "Keys are doubled that must be unique.", ename=("MergeError",), evalue=r"not unique|not an? \w+-to"),
    Rule(
        "row.broken", "dirty_rows", "A row cannot be read.", ename=("ArrowInvalid", "ArrowTypeError", "InvalidInputException", "Error"),
        evalue=r"[Cc]ould not (convert|parse)|was truncated converting|Conversion failed for column|[Cc]onversion error|CSV [Ee]rror"
               r"|CSV parse error|JSON parse error|[Ff]ailed to parse|Malformed JSON"
               r"|[Ii]nvalid unicode|sniffing|out of (range|bounds)|not in range|too large to fit|would lose data"
               r"|line contains NUL|field larger than|padding|[Nn]on-base64",
    ),
)  # fmt: skip
