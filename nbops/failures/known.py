"""The rules that nbops brings along, as data: by name and number first, by the words of a message last.

A rule is made for a kind of failure that many libraries share, not for one message. What might make a code bug transient is narrow.
"""

from __future__ import annotations

from nbops.errors import EXITS
from nbops.failures import gone
from nbops.failures.rule import Rule

# Every error of nbops ends with its remedy; other libraries have a NotFound and a Conflict too.
_NBOPS = r"\nHint: "

# Where the libraries of Python that speak with mail and file servers raise.
_MAIL = r"/(smtplib|imaplib|poplib|ftplib)\.py:"
# What notebooks say of rows that they refuse.
_ROWS = (
    r"((row|record|value|id|key|price|amount|date|timestamp)s?|entr(y|ies)|quantit(y|ies)|orders|customers|payments|transactions"
    r"|readings|samples"
    r"|measurements|observations|products|users|items|trips|emails|addresses|temperatures|names|codes|\w+\.(csv|parquet|xlsx|json|tsv))"
)
_BAD = (
    r"(missing|nulls?|nans?|empty|blank|negative|duplicate[sd]?|doubled|(not |non-?)unique|invalid|bad|broken|dirty|out of range|outside"
    r"|outliers?|(im|un)\w+ble|inconsistent|unexpected|wrong|without|ha(s|ve) no|lacks?)"
)

# What people choose for an argument that they refuse.
_NO_ARGUMENT = r"(?is)^(?!.*\b(must|should|expected|invalid|unsupported|argument|parameter|option)\b).*"
# Where a value came from, in `origin`: a reply or a document that is read; a listing of files; a variable of the environment.
_REPLY = (
    r"(\.json\(\)|\bjson\.loads?\(|\bloads?\(.*\bjson|\borjson\.|fromstring\(|\bET\.parse\(|etree\.parse\(|BeautifulSoup\(|xmltodict\."
    r"|DictReader\("
    r"|\b(payload|reply|response|answer|resp|body|document)\b)"
)
_LISTED = r"\b(r?glob|iglob|listdir|iterdir|scandir|os\.walk|list_objects\w*|list_blobs|namelist|getnames|nlst)\("
_VARIABLE = r"\b(getenv\(|environ\b)"
_PROBED = r"(\bsys\.(version|platform)|__version__|\bwhich\(|\bfind_spec\(|\bcuda\.|\bplatform\.\w+\(|\bversion\()"
# What is asked of a table's columns, and of its values.
_COLUMNS = (
    r"(\.(columns|dtypes?|schema|column_names|fieldnames)\b|\b(payload|reply|response|row|record|item|data)\.keys\(\)"
    r"|\bis_\w+_dtype\()"
)
_VALUES_OF = (
    r"(\.(isna|isnull|notna|notnull|is_null|is_not_null|is_nan|null_count|is_unique|duplicated|drop_duplicates|is_duplicated|n_unique"
    r"|nunique"
    r"|between|is_between|is_monotonic\w*|isin|is_in)\b|\w\[['\"][^\n]*[<>=!][^\n]*\)\.(any|all|sum|mean)\(|\bis(nan|finite|null)\("
    r"|\bpd\.isna\(|(?i:count\((\*|distinct)|\bis (not )?null\b))"
)
# A record of a table or a reply, asked for a field.
_FIELD = r"\b(\w+_)?(row|record|rec|item|entry|event|line|order|customer|feature)\d?(\[['\"]|\.get\()"
_ABSENT = (
    _NO_ARGUMENT
    + r"(\b(file|export|input|source|feed|data|folder|directory|bucket|partition|snapshot|table|delivery)s?\b"
    r".*\b(not found|missing|not (yet )?(there|arrived|available|ready)|has not come|does not exist|is empty|unavailable|late|stale"
    r"|too old|older|outdated|incomplete|truncated|corrupt)|\bno (\w+ ){0,2}(data|files?|input|exports?|deliver(y|ies)|partitions?"
    r"|snapshots?|rows|records|pages?)\b|(could not|cannot|failed to)"
    r" (load|read|download|fetch|open)|\b(nothing|none|not) .*\b(delivered|arrived|come|received|uploaded)"
    r"|\d (days?|hours?) (old|late|behind)|\b(stale|outdated) (\w+ )?(data|export|file|feed|snapshot|deliver(y|ies))\b"
    r"|not (been )?(updated|refreshed|modified) (for|since)|\bnot mounted"
    r"|(access|permission) denied|unauthori[sz]ed|forbidden|(login|authentication) failed|expired)"
)
_CONVERTS = r"[Cc]ould not convert"

_LIMITS = (
    Rule("limit.time", "timeout", "A limit of time for the cell, step or run was reached.", timed_out=True),
    Rule("limit.cell", "timeout", "A cell took longer than it may.", ename=("CellTimeoutError", "CellTimeout")),
    Rule(
        "limit.query", "timeout", "A query of the store was stopped at its time limit.", ename=("QueryTimeout",), evalue=_NBOPS
    ),
    Rule(
        "limit.statement", "timeout", "A query was stopped at the limit of time that the code or the database gives it.",
        ename=(
            "InterruptException", "QueryCanceled", "QueryCanceledError", "OperationalError", "InternalError", "ProgrammingError",
            "DatabaseError",
        ),
        evalue=r"^INTERRUPT Error|^interrupted$|due to statement timeout|(statement|query) execution (time exceeded|was interrupted)",
    ),
    Rule(
        "limit.program", "timeout", "A program that the code started took longer than it may.", ename=("TimeoutExpired", "TIMEOUT")
    ),
    Rule(
        "limit.wait", "timeout", "The code waited for its own work no longer than it had said.", ename=("TimeoutError",), own=False,
        last=r"/(concurrent|asyncio|multiprocessing|anyio|joblib)/",
    ),
    Rule(
        "limit.own", "timeout", "The code took longer than it allows itself.", ename=("TimeoutError",), own=True, on_purpose=True,
        evalue=r"(?i)^(?!.*(connect|host|server|service|respon|answer|request|api\b))",
    ),
    Rule(
        "limit.late", "timeout", "The code took longer than it allows itself.", ename=("TimeoutError",), own=True,
        evalue=r"(?i)^(?!.*(connect|host|server|service|respon|answer|request|api\b)).*\b(still|longer than|not (done|finished|ended))\b",
    ),
    Rule("limit.memory", "resource", "The process was killed because memory ran out.", signal=(9,), out_of_memory=True),
    Rule("limit.signal", "resource", "The process was ended at its limit of CPU time or file size.", signal=(24, 25)),
)  # fmt: skip

_OURS = (
    Rule(
        "contract.violated", "dirty_rows", "The data breaks its contract.", ename=("ContractViolation",), exit_status=21
    ),
    Rule(
        "store.unfit", "environment", "The project's store is damaged, read-only or of another version.",
        ename=("StoreReadOnly", "StoreCorrupt", "StoreVersion"), evalue=_NBOPS, exit_status=EXITS["store"].status,
    ),
    Rule(
        "store.unavailable", "transient", "The project's store could not be reached at the moment.",
        ename=("StoreUnavailable", "StoreHeld"), evalue=_NBOPS, exit_status=EXITS["store.unavailable"].status,
    ),
    Rule(
        "store.full", "resource", "The disk of the project's store is full.",
        ename=("StoreFull",), evalue=_NBOPS, exit_status=EXITS["store.full"].status,
    ),
    Rule(
        "store.failed", "environment", "The project's store failed.",
        ename=("StoreError",), evalue=_NBOPS, exit_status=EXITS["store"].status,
    ),
    Rule(
        "model.trust", "environment", "Loading the model would run something that nobody vouched for.",
        ename=("TrustRefused",), evalue=_NBOPS, exit_status=EXITS["model.trust"].status,
    ),
    Rule(
        "model.unfit", "environment", "A model cannot be saved or loaded in this environment.",
        ename=("ModelError",), evalue=_NBOPS,
    ),
    Rule(
        "nbops.usage", "code_bug", "nbops is called in a way that it refuses.", evalue=_NBOPS,
        ename=("UsageError", "ConfigError", "FilterError", "ParameterError", "PathRefused", "Ambiguous", "Conflict", "QueryError"),
    ),
    Rule(
        "nbops.missing", "data_access", "The project has no run, model or file of that name.",
        ename=("NotFound",), evalue=_NBOPS,
    ),
)  # fmt: skip

# What a declared source says of itself; docs/data.md is where its sentences come from.
_FETCHED = (
    Rule(
        "fetch.full", "resource", "The disk is full: data could not be fetched.",
        ename=("SourceError",), evalue=rf"^The disk of .+ is full\.{_NBOPS}",
    ),
    Rule(
        "fetch.lacks", "environment", "A package, variable, module or folder is missing that a source needs.", ename=("SourceError",),
        evalue=r"needs? (the driver|fsspec|a package)\b.*\nHint: |environment variable \w+, which is not set\.\nHint: "
               r"|^The (module|folder) .+ cannot be (imported|made): .*\nHint: ",
    ),
    Rule(
        "fetch.changed", "schema_change", "A source came in another shape: a column, table or sheet is missing, or of another type.",
        ename=("SourceError",),
        evalue=r"^'.+' was .+ until now, and is .*\nHint: |There is no table '.*\nHint: | has no sheet .*\nHint: "
               r"|no such (column|table): .*\nHint: |(column|relation) .+ does not exist.*\nHint: ",
    ),
    Rule(
        "fetch.rows", "dirty_rows", "Lines of a source cannot be read.", ename=("SourceError",),
        evalue=r"^More than [\d,]+ lines cannot be read\.\nHint: |^Line \d+ of .+ is longer than .*\nHint: "
               r"|is none of its characters\.\nHint: ",
    ),
    Rule(
        "fetch.late", "timeout", "A source took longer than its declaration lets it.", ename=("SourceError",),
        evalue=r"was (not there|stopped) after \S+ seconds(, after \d+ attempts?)?\.\nHint: ",
    ),
    Rule(
        "fetch.unreachable", "data_access", "A source cannot be reached: its name is unknown, or nobody answers there.",
        ename=("SourceError",),
        evalue=r"(nobody answers there|its name is unknown|(ConnectionRefusedError|gaierror)\)), after \d+ attempts?\.\nHint: ",
    ),
    Rule(
        "fetch.busy", "transient", "A source was busy, changed, or broke off, and did so each time it was tried.",
        ename=("SourceError",),
        evalue=r", after \d+ attempts?\.\nHint: |was changed while it was read\.\nHint: |is being fetched into .*\nHint: ",
    ),
    Rule(
        "fetch.failed", "data_access", "Data cannot be had from its source, or is not what was asked for.",
        ename=("SourceError",), evalue=_NBOPS,
    ),
)  # fmt: skip

_SURROUNDINGS = (
    Rule(
        "import.own", "code_bug", "A module of the project has no such name.", ename=("ImportError",),
        evalue=r"^cannot import name .+ \((?!unknown location|.*(?:(?:site|dist)-packages/|/lib/python\d))",
    ),
    Rule(
        "import.missing", "environment", "A package, or a part of it, is missing or does not fit.",
        ename=(
            "ImportError", "ModuleNotFoundError", "PackageNotFoundError", "DistributionNotFound", "VersionConflict", "NoSuchModuleError",
        ),
    ),
    Rule(
        "library.lacks", "environment", "A library was built without it, or finds no device for it.", own=False,
        ename=("LightGBMError", "CatBoostError", "XGBoostError", "RuntimeError", "AssertionError", "ValueError", "Error", "OSError"),
        evalue=r"\bnot (enabled|compiled|built|included) (in|with|for|into) |[Cc]ompiled without |built without "
               r"|(?i:no (\w+[- ])?(OpenCL|CUDA|GPU)[ -]?(capable )?devices?\b)|Environment for task type \[GPU\] not found",
    ),
    Rule(
        "binary.unfit", "environment", "A compiled library does not fit this system or another package.",
        evalue=r"GLIBC|cannot open shared object file|undefined symbol|invalid ELF header|binary incompatibility|compiled using NumPy",
        on_purpose=False,
    ),
    Rule(
        "library.mismatch", "environment", "A library asks another one for what it does not have: their versions do not fit.",
        ename=("AttributeError",), evalue=r"^module '.+' has no attribute", own=False,
    ),
    Rule(
        "library.syntax", "environment", "A library is written for another version of Python.",
        ename=("SyntaxError", "IndentationError"), own=False,
    ),
    Rule(
        "program.missing", "environment", "A program is not installed or cannot be run.",
        ename=("FileNotFoundError", "PermissionError", "OSError"), errno=(2, 8, 13), last=r"subprocess\.py:.*_execute_child$",
    ),
    Rule(
        "program.unfound", "environment", "A shell did not find the program, or could not run it.",
        ename=("CalledProcessError",), evalue=r"exit status 12[67]\b",
    ),
    Rule(
        "variable.missing", "environment", "An environment variable is not set.",
        ename=("KeyError",), last=r"(<frozen os>|/os\.py):(_Environ\.)?__getitem__$",
    ),
    Rule(
        "certificate.missing", "environment", "A file of certificates or keys is missing or cannot be read.", own=False,
        ename=("OSError", "FileNotFoundError", "SSLError"), evalue=r"(?i)certificate bundle|TLS certificate file|TLS key file|\[SSL\] PEM",
    ),
    Rule(
        "system.lacks", "environment", "The system lacks a font, a locale or a display.",
        ename=("OSError", "Error", "TclError", "FileNotFoundError"),
        evalue=r"cannot open resource|unsupported locale|no display name|connect to display|No usable temporary directory",
    ),
    Rule(
        "extension.missing", "environment", "An extension of the database is not installed.",
        ename=("IOException", "HTTPException", "InvalidInputException", "CatalogException", "OperationalError"),
        evalue=r"Extension .+ not found|[Ii]nstall it first|download extension|exists in the .+ extension|no such module",
    ),
    Rule(
        "program.absent", "environment", "A library needs a program that is not installed.", own=False,
        evalue=r"[Ee]xecutable (doesn't|does not) exist|[Uu]nable to (find|locate|obtain) .*\b(executable|binary|browser|driver)\b"
               r"|JAVA_HOME is not set|Java gateway process exited|playwright install",
    ),
    Rule(
        "version.unfit", "environment", "A file was written by a newer version of what reads it.",
        ename=("ValueError", "IOException", "SerializationException", "OSError", "RuntimeError"),
        evalue=r"^unsupported pickle protocol|database file with version number|(written|created|saved|made) (by|with|in) a (newer|later)",
    ),
    Rule(
        "surroundings.checked", "environment", "The code finds that a variable, package or program is missing.", on_purpose=True,
        words=r"[Ee]nvironment variable|\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b.* (not set|unset|missing|undefined|required|must be set)"
               r"|in the environment|not installed|(is|are|have|you've|been) installed|[Pp]lease install|pip install"
               r"|not (found )?(in|on) (the |your )?PATH\b"
               r"|([Nn]eeds?|[Rr]equires?) (Python|version)\b|([Nn]eeds?|[Rr]equires?) \w+ ?(>=|v?\d[\d.]* or (newer|later|higher"
               r"|above))|[Vv]ersion .*(required|needed|too old|not match)|[Nn]o (GPU"
               r"|CUDA)\b|\bGPU\b.*(needed|required|found)|CUDA .*not available"
               r"|not available (on|in) this (machine|system|environment|image|container)",
    ),
    Rule(
        "variable.unset", "environment", "An environment variable is not set.", ename=("TypeError", "AttributeError"),
        evalue="NoneType", origin=_VARIABLE,
    ),
    Rule(
        "surroundings.probed", "environment", "The code finds that a variable, package or program is missing.", own=True,
        on_purpose=True, origin=rf"\nif <- .*({_PROBED}|{_VARIABLE})"
                                rf"|\nif <- (?s:.*)(?P<name>\w+)\b.*\n(?s:.*)(?P=name) <- (?P=name) = .*{_PROBED}",
    ),
    Rule(
        "surroundings.asserted", "environment", "The code finds that a variable, package or program is missing.", own=True,
        ename=("AssertionError",),
        origin=rf"^assert .*{_PROBED}|^assert .*{_VARIABLE}"
               rf"|^assert (?P<name>\w+)\b.*\n(?s:.*)(?P=name) <- (?P=name) = .*{_VARIABLE}",
    ),
    Rule(
        "settings.missing", "environment", "A setting that comes from the environment is missing.",
        ename=("ValidationError", "UndefinedValueError"), evalue=r"^\d+ validation errors? for \w*(Settings|Environment)\b|envvar",
    ),
    Rule(
        "credentials.missing", "environment", "Nobody has set up credentials here.",
        ename=(
            "NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "NoRegionError", "DefaultCredentialsError",
            "CredentialUnavailableError", "CredentialRetrievalError",
        ),
    ),
    Rule(
        "library.gone", "environment", "The code uses what the installed version of a library has no more.",
        ename=("AttributeError", "TypeError", "ImportError", "NotImplementedError", "RuntimeError", "ValueError", "OSError", "OptionError"),
        evalue=r"\b(was|were|has been|have been|is) (deprecated( and|,)? .{0,40})?removed (in|from|since)\b|was a deprecated alias"
               r"|\bno longer (supported|available|exists?|ha(s|ve))\b|^'seaborn[\w-]*' is not a valid package style"
               r"|^No such keys\(s\): '(mode\.(use_inf_as|sim_|data_manager)|io\.excel\.xls\.|display\.(mpl_style|line_width|height))"
               r"|numpy\.dtype size changed",
    ),
    Rule(
        "library.attribute", "environment", "The code uses what the installed version of a library has no more.",
        ename=("AttributeError",), evalue=gone.ATTRIBUTES,
    ),
    Rule(
        "library.argument", "environment", "The code passes an argument that the installed version of a library has no more.",
        ename=("TypeError",), evalue=gone.ARGUMENTS,
    ),
    Rule(
        "pickle.unfit", "environment", "What was stored comes from another version of a library.",
        ename=("ValueError", "AttributeError", "ModuleNotFoundError", "TypeError"),
        evalue=r"from the pickle has an incompatible dtype|^Can't get attribute .+ on <module '(?!__main__)[^']*' from '.*(site"
               r"|dist)-packages"
               r"|is not a known BitGenerator",
    ),
    Rule(
        "model.missing", "environment", "A library lacks data that has to be installed with it.", own=False,
        ename=("OSError", "LookupError"), evalue=r"\[E050\] Can't find model|Resource .+ not found\.\s+Please use the NLTK",
    ),
    Rule(
        "driver.missing", "environment", "The driver is not installed, or nobody has named a data source here.",
        evalue=r"\bIM00[1-9]\b|Can't open lib '|no default driver specified|Found no NVIDIA driver|DPI-1047",
        ename=("Error", "InterfaceError", "OperationalError", "DatabaseError", "DBAPIError", "RuntimeError"),
    ),
    Rule(
        "database.locked", "environment", "The database may only be read.",
        ename=("OperationalError", "InternalError", "ReadOnlySqlTransaction", "InvalidInputException"),
        evalue=r"attempt to write a readonly database|cannot execute .+ in a read-only transaction|attached in read-only mode",
    ),
    Rule(
        "output.refused", "environment", "The user may not write there.", ename=("PermissionError",),
        origin=r"\b(mkdir|makedirs|to_(csv|parquet|excel|json|pickle|feather|hdf|sql)|write_\w+|sink_\w+|savefig|savez?|dump|mkstemp"
               r"|touch|chmod"
               r"|symlink)\(|\bopen\([^)]*,\s*(mode=)?['\"][^'\"]*[wax+]",
    ),
    Rule(
        "output.folder", "environment", "The user may not write there.", ename=("PermissionError",), own=False,
        last=r":(Path\.)?(mkdir|makedirs|mkstemp|mkdtemp|touch|symlink_to)$",
    ),
    Rule("kernel.missing", "environment", "There is no kernel of that name.", ename=("NoSuchKernel",)),
    Rule(
        "kernel.start", "environment", "The kernel did not start.",
        ename=("RuntimeError",), evalue=r"^Kernel (died before replying|didn't respond)",
    ),
    Rule(
        "notebook.unreadable", "environment", "The file is no notebook.",
        ename=("NotJSONError", "NotebookValidationError"),
    ),
    Rule(
        "system.unfit", "environment", "The file system is read-only, or an address is taken.",
        ename=("OSError",), errno=(30, 98),
    ),
    Rule("timezone.missing", "environment", "The system knows no such time zone.", ename=("ZoneInfoNotFoundError",)),
)  # fmt: skip

_SLIPS = (
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
        origin=rf"^assert .*{_COLUMNS}"
               r"|^assert [^\n]*\b(columns?|header|cols|schema)\b",
    ),
    Rule(
        "assert.listed", "data_access", "The notebook finds no files.", own=True, ename=("AssertionError",),
        origin=rf"^assert (len\(|bool\(|any\()?(?P<name>\w+)\)?( *(>|>=|!=) *\d+)?(,.*)?\n(?s:.*)\b(?P=name) <- (?P=name) = .*{_LISTED}",
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
        origin=rf"^assert (?!.*\b(isinstance|callable|hasattr|allclose)\()(?s:.*){_VALUES_OF}",
    ),
    Rule(
        "assert.values", "dirty_rows", "The notebook finds that values of a table are not as it expects them.", own=True,
        ename=("AssertionError",),
        origin=r"^assert [^\n]*\w\.(max|min|sum|mean|median|std)\(\)(?s:.*)<- .*\b(pd|pl)\.|^assert (?s:.*)\w(\[['\"][^'\"]+['\"]\]"
               r"|\.\w+)\.(max|min|sum|mean|median|std|count)\(\)"
               r"|^assert .*\w\[['\"][^'\"]+['\"]\].*\)?\.(all|any)\(\)"
               rf"|^assert (not )?{_FIELD}[^\n]*"
               r"|^assert [^\n]*\b(?P<row>\w+)\[['\"][^\n]*\n(?s:.*)(?P=row) <- for (?P=row) in "
               r"|^assert .*\ball\(.*\b(row|record|item|order|value|price|date)\w*\b.* for ",
    ),
    Rule(
        "assert.count", "dirty_rows", "The notebook finds too few rows, or too many.", own=True, ename=("AssertionError",),
        origin=r"^assert (?![^,]*\blen\([^,]*==[^,]*\blen\()(?![^,]*\.shape[^,]*\.shape)(?!.*\bis (not )?None\b).*(\blen\(|\.shape\[0\]"
               r"|\.height\b|\.num_rows\b"
               r"|\.empty\b|\w*(rows|count)\w*\b)(?s:.*)(\b(pd|pl|pq|duckdb)\.|read_|execute\(|\.sql\(|fetch(one|all|df)|"
               + _REPLY[1:],
    ),
    Rule(
        "assert.told", "dirty_rows", "The notebook finds that rows are not as it expects them.", own=True, ename=("AssertionError",),
        evalue=rf"{_NO_ARGUMENT}(\b{_ROWS}\b.*\b{_BAD}\b|\b{_BAD}\b.*\b{_ROWS}\b|\b\d[\d,.]*%? (of|\w+) .*\b{_BAD}\b)",
        origin=r"^assert (?!.*\b(isinstance|callable|hasattr)\()",
    ),
    Rule(
        "reply.changed", "schema_change", "A reply or document is not built as the code expects it.", own=True,
        ename=("TypeError", "AttributeError"),
        evalue=r"^(string|byte) indices must be integers|^(list|tuple) indices must be integers or slices, not str"
               r"|^'(NoneType|str|list|int|float|bool)' object is not (subscriptable|iterable)"
               r"|^'(list|str|int|float|NoneType)' object has no attribute '(get|items|keys|values|append)'",
        origin=rf"^(?!.*\b(conf|config|settings|params)\b)(?s:.*){_REPLY}",
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
        code=_FIELD,
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

_RESOURCES = (
    Rule(
        "memory.exhausted", "resource", "Memory or disk ran out.",
        ename=(
            "MemoryError", "_ArrayMemoryError", "ArrowMemoryError", "OutOfMemoryException", "OutOfMemoryError", "OutOfMemory",
            "ResourceExhaustedError",
            "DiskFull",
        ),
    ),
    Rule(
        "system.exhausted", "resource", "Disk, memory or file handles ran out.",
        ename=("OSError", "IOException", "ArrowIOError"), errno=(12, 23, 24, 27, 28, 122),
    ),
    Rule(
        "system.processes", "resource", "No more processes may be started.", ename=("OSError", "BlockingIOError"), errno=(11,),
        last=r"(subprocess|popen_\w+|pty)\.py:|:fork$",
    ),
    Rule(
        "system.told", "resource", "Disk, memory, threads or file handles ran out.", on_purpose=False,
        ename=("OSError", "IOException", "OperationalError", "RuntimeError", "error", "FatalException"),
        evalue=r"No space left on device|(disk|database) is full|Disk quota exceeded|can't start new thread|Too many open files"
               r"|File too large|Cannot allocate memory|out of memory|bad_alloc|disk I/O error|^\d+ requested and \d+ written",
    ),
    Rule(
        "library.exhausted", "resource", "Memory ran out in a library.", own=False,
        ename=("ParserError", "LightGBMError", "XGBoostError", "CatBoostError", "RuntimeError", "ComputeError", "Error", "error"),
        evalue=r"(?i)out of memory|\bbad[_ ]alloc|cannot allocate|(failed|unable) to allocate|no space left|\bOOM\b",
    ),
    Rule(
        "pool.memory", "resource", "A worker process was killed because memory ran out.",
        ename=("BrokenProcessPool", "TerminatedWorkerError"), out_of_memory=True,
    ),
    Rule(
        "pool.died", "kernel_death", "A worker process died.", ename=("BrokenProcessPool", "TerminatedWorkerError", "KilledWorker")
    ),
    Rule(
        "worker.killed", "kernel_death", "A worker process was killed.", ename=("RuntimeError", "Error"), own=False,
        evalue=r"worker .*(is|was) killed by signal|worker .*exited unexpectedly",
    ),
    Rule(
        "program.killed", "kernel_death", "A program that the code started was killed.",
        ename=("CalledProcessError",), evalue=r"died with <Signals|exit status 1(3[4-9]|43)\b",
    ),
    Rule("kernel.died", "kernel_death", "The kernel or its runner died.", ename=("DeadKernelError", "KernelDied", "RunLost")),
    Rule("process.ended", "kernel_death", "The process ended and left no reason.", ended=True),
)  # fmt: skip

# A code of an error as Amazon's and Azure's clients give it.
_CODED = r"^An error occurred \(({0})\) when calling|\bErrorCode: ?({0})\b"
# A SQLSTATE as pyodbc, Snowflake's and ADBC's drivers give it.
_STATE = r"(^\(?'|\[|^\w+ \(|SQLSTATE:? )({0})\b"
_DRIVER = (
    "OperationalError",
    "InterfaceError",
    "InternalError",
    "DatabaseError",
    "ProgrammingError",
    "NotSupportedError",
    "DataError",
    "Error",
    "DBAPIError",
)

_SOURCES = (
    Rule(
        "file.archive", "data_access", "A file is damaged, empty or cut off.",
        ename=("ReadError",), evalue=r"is not an? \w+ file$|^(file could not be opened|not an? |empty |truncated |bad )"
                                     r"|unexpected end of data|invalid header",
    ),
    Rule("file.unpickled", "data_access", "A file is not of the kind that its name says.", ename=("KeyError",), last=r"/(numpy_)?pickle"
                                                                                                                     r"\w*\.py:"),
    Rule("file.unpacked", "data_access", "An archive lacks the file.", ename=("KeyError",), last=r"/(zipfile|tarfile)\b"),
    Rule(
        "cloud.table", "schema_change", "A query names a table or column that is not there.", ename=("NotFound", "BadRequest"),
        evalue=r"Not found: (Table|View)|Unrecognized name:",
    ),
    Rule(
        "cloud.busy", "transient", "The service is busy, or was down for a moment.", own=False, evalue=_CODED.format(
            r"SlowDown|\w*Throttl\w*|TooManyRequests\w*|RequestLimitExceeded|ProvisionedThroughputExceeded\w*|ServiceUnavailable\w*"
            r"|ServerBusy|InternalError|InternalServerError|OperationTimedOut|RequestTimeout|LimitExceededException"
        ),
    ),
    Rule(
        "cloud.refused", "data_access", "The source refuses, or does not have it.", own=False, evalue=_CODED.format(
            r"AccessDenied\w*|Forbidden|Unauthorized\w*|Expired\w*|InvalidAccessKeyId|InvalidClientTokenId|InvalidToken|InvalidAuth\w*"
            r"|UnrecognizedClient\w*|SignatureDoesNotMatch|RequestTimeTooSkewed|Auth\w+|NoSuch\w+|\w*NotFound\w*|InvalidObjectState"
            r"|AllAccessDisabled|AccountIsDisabled|InsufficientAccountPermissions"
        ),
    ),
    Rule(
        "cloud.named", "data_access", "The source refuses, or does not have it.",
        ename=(
            "NoSuchKey", "NoSuchBucket", "ResourceNotFoundError", "ClientAuthenticationError", "RefreshError", "EndpointConnectionError",
            "NoBrokersAvailable", "InsufficientPrivilege", "InvalidPassword", "InvalidAuthorizationSpecification", "InvalidCatalogName",
            "ServerSelectionTimeoutError",
        ),
    ),
    Rule("http.busy", "transient", "The service is busy or was down for a moment.", http=(408, 425, 429, 502, 503, 504)),
    Rule("http.refused", "data_access", "The source refuses: who asks is not known or may not.", http=(401, 403, 407)),
    Rule("http.request", "code_bug", "The request is wrong, says the service.", http=(400, 405, 406, 411, 413, 414, 415, 422)),
    Rule(
        "mail.busy", "transient", "The mail or file server is busy, or was down for a moment.", last=_MAIL, on_purpose=True,
        evalue=r"^\(?4\d\d\b|\bBYE\b|\[(SYS/TEMP|IN-USE|UNAVAILABLE)\]|(?i:try again|too many|unexpectedly closed|socket error)",
    ),
    Rule("mail.lost", "transient", "The mail or file server closed the connection.", ename=("EOFError",), last=_MAIL),
    Rule(
        "mail.refused", "data_access", "The mail or file server refuses, or does not have it.", last=_MAIL, on_purpose=True,
        evalue=r"^\(?5[35]\d\b|-ERR|\b(NO|AUTHENTICATIONFAILED)\b|(?i:login|password|denied|no such)",
    ),
    Rule("address.wrong", "code_bug", "That is no address.", ename=("URLError",), evalue=r"unknown url type|no host given"),
    Rule("http.failed", "data_access", "The source does not have it, or failed.", http=(404, 409, 410, 423, 451, 500, 501, 505, 507, 508)),
    Rule(
        "source.unreachable", "data_access", "The source cannot be reached: its name is unknown, or nobody answers there.",
        errno=(-5, -3, -2, 101, 111, 113),
    ),
    Rule(
        "source.unknown", "data_access", "The source cannot be reached: its name is unknown, or nobody answers there.",
        ename=("ConnectionRefusedError", "gaierror", "NameResolutionError"),
    ),
    Rule(
        "source.untrusted", "data_access", "The source cannot prove who it is.",
        ename=("SSLCertVerificationError", "SSLError", "URLError", "ConnectError"), evalue=r"CERTIFICATE_VERIFY_FAILED",
    ),
    Rule(
        "database.table", "schema_change", "A query names a table or column that is not there.", ename=_DRIVER,
        evalue=_STATE.format(r"42S02|42S22|42P01|42703|42S12") + r"|Table '.+' doesn't exist|[Ii]nvalid (object|column) name|ORA-00904",
    ),
    Rule(
        "database.busy", "transient", "The database is busy, or was lost.", ename=_DRIVER,
        evalue=_STATE.format(r"08S01|08003|08006|08007|HYT0[01]|40(000|001|002|003|P01)|53300|57P0[1-5]|55P03")
               + r"|connection slots are reserved|SSL SYSCALL|terminating connection|resource busy|Connection timed out|timeout expired"
               r"|[Ll]ost connection|server has gone away|Communication link failure|closed the connection|ORA-(03113|03114|00060|12170)",
    ),
    Rule(
        "database.refused", "data_access", "The database cannot be reached, or refuses.", ename=_DRIVER,
        evalue=_STATE.format(r"08001|08004|28000|28P01|3D000|42501")
               + r"|Connection refused|could not (translate|resolve) host|[Aa]ccess denied|authentication failed|[Ll]ogin failed"
                 r"|logon denied"
               r"|no pg_hba|(?i:database \S+ does not exist)|Unknown database|[Ii]ncorrect username|Can't connect to|[Cc]annot connect to"
               r"|[Pp]ermission denied|command denied|No route to host|TNS:",
    ),
    Rule(
        "database.full", "resource", "The database has no room left.", ename=_DRIVER, evalue=_STATE.format(r"53100|53200|54000"),
    ),
    Rule(
        "database.rows", "dirty_rows", "The database refuses a row.", ename=_DRIVER, evalue=_STATE.format(r"22\w{3}|23\w{3}"),
    ),
    Rule(
        "database.stopped", "transient", "The database was stopped, started or full of clients.",
        ename=("AdminShutdown", "CrashShutdown", "CannotConnectNow", "TooManyConnections", "BusyLoadingError", "ConnectionFailure"),
    ),
    Rule(
        "lock.held", "transient", "Somebody else works on the database at the moment.",
        ename=("IOException", "OperationalError", "DatabaseError", "InternalError"),
        evalue=r"Could not set lock on file|database (table |schema )?is locked|[Dd]eadlock|could not serialize|Lock wait timeout",
    ),
    Rule(
        "lock.lost", "transient", "Somebody else holds the lock, or changed the same rows.",
        ename=("SerializationFailure", "DeadlockDetected", "LockNotAvailable", "LockException", "AlreadyLocked", "LockTimeout"),
    ),
    Rule(
        "lock.file", "transient", "Somebody else holds the lock of a file.", ename=("BlockingIOError", "OSError", "PermissionError"),
        errno=(11, 13, 35, 37), code=r"\b(flock|lockf|locking)\(",
    ),
    Rule(
        "lock.conflict", "transient", "Two transactions changed the same rows.", ename=("TransactionException",), evalue=r"[Cc]onflict"
    ),
    Rule(
        "answer.late", "transient", "A service did not answer in time.",
        ename=(
            "TimeoutError", "Timeout", "ReadTimeout", "ConnectTimeout", "WriteTimeout", "PoolTimeout", "ReadTimeoutError",
            "ConnectTimeoutError", "ServerTimeoutError",
        ),
    ),
    Rule("answer.slow", "transient", "A service did not answer in time.", ename=("URLError", "ConnectionError"), evalue=r"timed out"),
    Rule(
        "connection.lost", "transient", "The connection was lost.",
        ename=(
            "ConnectionResetError", "ConnectionAbortedError", "BrokenPipeError", "RemoteDisconnected", "IncompleteRead",
            "ContentTooShortError", "ChunkedEncodingError", "ProtocolError", "RemoteProtocolError",
            "ServerDisconnectedError", "SSLEOFError", "SSLZeroReturnError", "AutoReconnect",
            "WebSocketConnectionClosedException", "ConnectionClosedError", "ServiceResponseError",
            "IncompleteReadError",
        ),
    ),
    Rule(
        "connection.broken", "transient", "The connection was lost.", ename=("ReadError", "WriteError"),
        # Archives have errors of these names, too.
        last=r"(httpx|httpcore|anyio)[./_]",
    ),
    Rule(
        "connection.aborted", "transient", "The connection was lost.", ename=("ConnectionError", "URLError"), own=False,
        evalue=r"Connection (aborted|broken)|RemoteDisconnected|IncompleteRead",
    ),
    Rule(
        "connection.failed", "transient", "The connection was lost.",
        ename=("ConnectionError", "URLError", "OSError"), errno=(32, 103, 104, 110, 116),
    ),
    Rule(
        "connection.dropped", "transient", "The database closed the connection.",
        ename=("OperationalError", "InterfaceError"), evalue=r"closed the connection|connection (was |is )?(closed|lost|reset)",
    ),
    Rule("source.failed", "data_access", "The source could not be read.", ename=("URLError", "ConnectError", "ConnectionError")),
    Rule(
        "reply.none", "data_access", "A reply or file is not of JSON at all, or was cut off.", ename=("JSONDecodeError",),
        evalue=r"\(char 0\)$|^unexpected end of data|^Unterminated string",
        origin=r"^[^\n]*(\.json\(|\bjson\.load\(|\bjson\.loads\([^\n]*(\.read(_text|_bytes)?\(|\.(text|content)\b))",
    ),
    Rule(
        "files.none", "data_access", "There are no files to read.", ename=("ValueError", "IndexError"),
        evalue=r"^No objects to concatenate|^cannot concat empty list|^(max|min)\(\) (arg|iterable argument) is (an )?empty",
        origin=_LISTED,
    ),
    Rule(
        "files.last", "data_access", "There are no files to read.", ename=("IndexError", "StopIteration"), own=True,
        evalue=r"^list index out of range|^$",
        origin=rf"^[^\n]*\bnext\([^\n]*{_LISTED}|^[^\n]*{_LISTED}[^\n]*[)\]]\[(0|-1)\]|^[^\n]*?\b(?P<name>\w+)\[(0"
               rf"|-1)\](?s:.*)\n(?P=name) <- (?P=name) = [^\n]*{_LISTED}",
    ),
    Rule(
        "file.unopened", "data_access", "A file is not there, or may not be read.", own=False,
        ename=("XGBoostError", "LightGBMError", "CatBoostError", "RuntimeError", "Error"),
        evalue=r"No such file or directory|^Could not open |is not available for reads|(?i:can(no|')t open (file|input))",
    ),
    Rule(
        "file.missing", "data_access", "A file is not there, or may not be read.",
        ename=("FileNotFoundError", "PermissionError", "IsADirectoryError", "NotADirectoryError"),
    ),
    Rule(
        "device.failed", "data_access", "The disk or device that holds the data does not give it.",
        ename=("OSError",), errno=(5, 6, 19, 40, 117, 121, 123),
    ),
    # A socket that is not connected tells the same, without a path.
    Rule("mount.lost", "data_access", "A mounted folder has lost its server.", ename=("OSError",), errno=(107, 112), evalue=r": '"),
    Rule(
        "file.checked", "data_access", "A file is not the one that its checksum promises.", on_purpose=True,
        words=r"(?i)\b(checksum|digest|md5|sha-?\d+|crc|hash)\w*\b.*\b(mismatch\w*|differs?|does(n't| not) match|do not match)\b",
    ),
    Rule(
        "file.foreign", "data_access", "A file is not of the kind that its name says.", own=False,
        ename=("ValueError", "OSError", "RuntimeError", "Error"),
        evalue=r"(?i)^(?!.*\b(object type|mode|file descriptor)\b)(?s:.*)(\b(unknown|unrecogni[sz]ed|invalid|unsupported|bad"
               r"|not an?) [\w ]*\bfile\b|file (type|format|header|signature)|pickled"
               r"|does not start with|\bEOF\b|truncated|requires a buffer|\bis encrypted\b|[Bb]ad password)",
    ),
    Rule("file.folder", "data_access", "The folder to write into is not there.", ename=("OSError",), evalue=r"non-existent directory"),
    Rule(
        "file.unmatched", "data_access", "A file is not there, or may not be read.",
        ename=("IOException", "OperationalError", "HTTPException", "ComputeError"),
        evalue=r"No files found|expanded paths were empty|[Cc]annot open (file|database)|unable to open database|[Pp]ermission denied"
               r"|authentication failed|could not connect",
    ),
    Rule(
        "file.damaged", "data_access", "A file is damaged, empty or cut off.",
        ename=("EmptyDataError", "NoDataError", "BadZipFile", "BadGzipFile", "LZMAError", "UnpicklingError", "UnidentifiedImageError"),
    ),
    Rule(
        "file.torn", "data_access", "A file is damaged, empty or cut off.",
        ename=(
            "ArrowInvalid", "InvalidInputException", "IOException", "EOFError", "error", "DatabaseError", "OSError", "ComputeError",
        ),
        evalue=r"magic (bytes|number)|not a Parquet file|[Ff]ile size is 0|too small to be a Parquet|Compressed file ended"
               r"|while decompressing|image is malformed|incorrect (header|data) check|out of specification|not a (valid (?!package)"
               r"|database)|CRC check failed|[Cc]orrupt|Invalid data stream|Ran out of input"
               r"|[Nn]ot an? (Feather|Arrow|ORC|Avro|HDF5)|could not be determined|[Uu]nexpected end of (file|data|stream|input)"
               r"|truncated(?! converting)",
    ),
)  # fmt: skip

_SHAPES = (
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
        origin=rf"(?s)^(?![^\n]*\b(conf|config|settings|params|options)\b)(?=[^\n]*['\"](?P<key>[^'\"\n]+)['\"].*\n'(?P=key)'$).*{_REPLY}",
    ),
    Rule(
        "reply.shape", "schema_change", "A reply is not built as the code expects it.", ename=("ValueError", "TypeError"), own=False,
        evalue=r"^If using all scalar values|^All arrays must be of the same length|^Mixing dicts with non-Series", origin=_REPLY,
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

_VALUES = (
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
        words=rf"(?i)\b{_ROWS}\b.*\b{_BAD}\b|\b{_BAD}\b.*\b{_ROWS}\b"
              rf"|\b\d[\d.,]*%?( of)?( \w+){{0,2}} {_BAD}\b|\b(found|has|have|contains?|there are)\b.*\b(duplicates?|nulls?|nans?"
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

# The last to be asked: words that people choose for errors of their own. What they say of arguments is about the code.
_WORDS = (
    Rule(
        "told.value", "data_access", "The code says that data is not there.", own=True, on_purpose=True, words=_ABSENT,
        ename=("ValueError", "TypeError", "KeyError", "IndexError", "LookupError"),
    ),
    Rule(
        "told.columns", "schema_change", "The notebook finds that the columns are not those that it expects.", own=True, on_purpose=True,
        origin=rf"\nif <- .*{_COLUMNS}|\nif <- (not )?(?P<name>\w+)(?s:\n.*)?\n(?P=name) <- (?P=name) = .*{_COLUMNS}",
    ),
    Rule(
        "told.rows", "dirty_rows", "The notebook finds that rows are not as it expects them.", own=True, on_purpose=True,
        origin=rf"\nif <- .*{_VALUES_OF}|\nif <- [^\n]*\b(?P<name>\w+)\b[^\n]*\n(?s:.*)(?P=name) <- (?P=name) = .*{_VALUES_OF}",
    ),
    Rule(
        "told.files", "data_access", "The notebook finds no files.", own=True, on_purpose=True,
        origin=rf"\nif <- not (?P<name>\w+)(?s:\n.*)?\n(?P=name) <- (?P=name) = .*{_LISTED}|\nif <- len\((?P<list>\w+)\) (== 0"
               rf"|< 1)(?s:\n.*)?"
               rf"\n(?P=list) <- (?P=list) = .*{_LISTED}|\nif <- not .*\.(exists|is_file|is_dir|isfile|isdir|ismount)\(",
    ),
    Rule(
        "told.argument", "code_bug", "The code refuses a value that it was given.", own=True, on_purpose=True,
        ename=("ValueError", "TypeError", "KeyError", "IndexError", "LookupError"),
    ),
    Rule(
        "told.busy", "transient", "The code says that a service was busy or lost.", own=True, on_purpose=True,
        words=_NO_ARGUMENT + r"(temporar(il)?y|try again|too many (connections|requests)|rate.?limit|throttl|service unavailable|overloaded"
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
        evalue=_NO_ARGUMENT + r"(temporarily|try again|too many (connections|requests|clients)|rate.?limit|throttl|service unavailable"
               r"|overloaded|shutting down|starting up|gone away|EOF occurred|timed out|connection .*(lost|reset|dropped|aborted))",
    ),
    Rule(
        "told.late", "timeout", "The code says that something took too long.", own=True, on_purpose=True,
        words=_NO_ARGUMENT + r"(\btime ?out\b|\btimed out\b|took (longer|too long)|(time ?limit|deadline) (was )?(exceeded"
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
        words=_NO_ARGUMENT + r"\b((not enough|insufficient|out of|too little|low on|no|only) .*\b(memory|ram|disk|space)\b"
               r"|disk (is )?(almost )?full|can(no|')t (start new thread|allocate|fork)|too many open files)",
    ),
    Rule("told.absent", "data_access", "The code says that data is not there.", own=True, on_purpose=True, words=_ABSENT),
)  # fmt: skip

OTHERWISE = Rule("code.other", "code_bug", "Nothing but the code itself explains it.")

RULES: tuple[Rule, ...] = (
    *_LIMITS,
    *_OURS,
    *_FETCHED,
    *_SURROUNDINGS,
    *_SLIPS,
    *_RESOURCES,
    *_SOURCES,
    *_SHAPES,
    *_VALUES,
    *_WORDS,
    OTHERWISE,
)
"""The built-in rules in the order in which they are tried; the last one takes what no other fits."""
