"""Data that cannot be had, or not at the moment: files, services, databases, clouds."""

from __future__ import annotations

from nbops.failures.known.words import LISTED
from nbops.failures.rule import Rule

# Where the libraries of Python that speak with mail and file servers raise.
_MAIL = r"/(smtplib|imaplib|poplib|ftplib)\.py:"

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

SOURCES = (
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
        origin=LISTED,
    ),
    Rule(
        "files.last", "data_access", "There are no files to read.", ename=("IndexError", "StopIteration"), own=True,
        evalue=r"^list index out of range|^$",
        origin=rf"^[^\n]*\bnext\([^\n]*{LISTED}|^[^\n]*{LISTED}[^\n]*[)\]]\[(0|-1)\]|^[^\n]*?\b(?P<name>\w+)\[(0"
               rf"|-1)\](?s:.*)\n(?P=name) <- (?P=name) = [^\n]*{LISTED}",
    ),
    Rule(
        "file.unopened", "data_access", "A file is not there, or may not be read.", own=False,
        ename=("XGBoostError", "LightGBMError", "CatBoostError", "RuntimeError", "Error"),
        evalue=r"No such file or directory|^Could not open |is not available for reads|(?i:can(no|')t open (file|input))",
    ),
    Rule(
        "output.nowhere", "code_bug", "Nobody made the folder that it would write into.",
        ename=("OSError",), evalue=r"non-existent directory: '(?!/)",
    ),
    Rule(
        "output.unmade", "code_bug", "Nobody made the folder that it would write into.",
        ename=("FileNotFoundError",), evalue=r"No such file or directory: '(?!/)[^']*/",
        origin=r"\A(?![^\n]*\bread)[^\n]*(\b(to_(csv|parquet|excel|json|pickle|feather|hdf)|write_\w+|sink_\w+|savefig|savez?|dump)\("
               r"|\bopen\([^)]*,\s*(mode=)?['\"][^'\"]*[wax])",
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
