"""What is missing or does not fit around the code: packages, programs, variables, drivers, versions."""

from __future__ import annotations

from nbops.failures.known import gone
from nbops.failures.known.words import PROBED, VARIABLE
from nbops.failures.rule import Rule

SURROUNDINGS = (
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
        evalue="NoneType", origin=VARIABLE,
    ),
    Rule(
        "surroundings.probed", "environment", "The code finds that a variable, package or program is missing.", own=True,
        on_purpose=True, origin=rf"\nif <- .*({PROBED}|{VARIABLE})"
                                rf"|\nif <- (?s:.*)(?P<name>\w+)\b.*\n(?s:.*)(?P=name) <- (?P=name) = .*{PROBED}",
    ),
    Rule(
        "surroundings.asserted", "environment", "The code finds that a variable, package or program is missing.", own=True,
        ename=("AssertionError",),
        origin=rf"^assert .*{PROBED}|^assert .*{VARIABLE}"
               rf"|^assert (?P<name>\w+)\b.*\n(?s:.*)(?P=name) <- (?P=name) = .*{VARIABLE}",
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
