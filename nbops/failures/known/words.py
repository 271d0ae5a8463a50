"""Patterns that rules of several kinds share."""

from __future__ import annotations

# Every error of nbops ends with its remedy; other libraries have a NotFound and a Conflict too.
NBOPS = r"\nHint: "

# What notebooks say of rows that they refuse.
ROWS = (
    r"((row|record|value|id|key|price|amount|date|timestamp)s?|entr(y|ies)|quantit(y|ies)|orders|customers|payments|transactions"
    r"|readings|samples"
    r"|measurements|observations|products|users|items|trips|emails|addresses|temperatures|names|codes|\w+\.(csv|parquet|xlsx|json|tsv))"
)

BAD = (
    r"(missing|nulls?|nans?|empty|blank|negative|duplicate[sd]?|doubled|(not |non-?)unique|invalid|bad|broken|dirty|out of range|outside"
    r"|outliers?|(im|un)\w+ble|inconsistent|unexpected|wrong|without|ha(s|ve) no|lacks?)"
)

# What people choose for an argument that they refuse.
NO_ARGUMENT = r"(?is)^(?!.*\b(must|should|expected|invalid|unsupported|argument|parameter|option)\b).*"

# Where a value came from, in `origin`: a reply or a document that is read; a listing of files; a variable of the environment.
REPLY = (
    r"(\.json\(\)|\bjson\.loads?\(|\bloads?\(.*\bjson|\borjson\.|fromstring\(|\bET\.parse\(|etree\.parse\(|BeautifulSoup\(|xmltodict\."
    r"|DictReader\("
    r"|\b(payload|reply|response|answer|resp|body|document)\b)"
)

LISTED = r"\b(r?glob|iglob|listdir|iterdir|scandir|os\.walk|list_objects\w*|list_blobs|namelist|getnames|nlst)\("

VARIABLE = r"\b(getenv\(|environ\b)"

PROBED = r"(\bsys\.(version|platform)|__version__|\bwhich\(|\bfind_spec\(|\bcuda\.|\bplatform\.\w+\(|\bversion\()"

# What is asked of a table's columns, and of its values.
COLUMNS = (
    r"(\.(columns|dtypes?|schema|column_names|fieldnames)\b|\b(payload|reply|response|row|record|item|data)\.keys\(\)"
    r"|\bis_\w+_dtype\()"
)

VALUES_OF = (
    r"(\.(isna|isnull|notna|notnull|is_null|is_not_null|is_nan|null_count|is_unique|duplicated|drop_duplicates|is_duplicated|n_unique"
    r"|nunique"
    r"|between|is_between|is_monotonic\w*|isin|is_in)\b|\w\[['\"][^\n]*[<>=!][^\n]*\)\.(any|all|sum|mean)\(|\bis(nan|finite|null)\("
    r"|\bpd\.isna\(|(?i:count\((\*|distinct)|\bis (not )?null\b))"
)

# A record of a table or a reply, asked for a field.
FIELD = r"\b(\w+_)?(row|record|rec|item|entry|event|line|order|customer|feature)\d?(\[['\"]|\.get\()"

ABSENT = (
    NO_ARGUMENT
    + r"(\b(file|export|input|source|feed|data|folder|directory|bucket|partition|snapshot|table|delivery)s?\b"
    r".*\b(not found|missing|not (yet )?(there|arrived|available|ready)|has not come|does not exist|is empty|unavailable|late|stale"
    r"|too old|older|outdated|incomplete|truncated|corrupt)|\bno (\w+ ){0,2}(data|files?|input|exports?|deliver(y|ies)|partitions?"
    r"|snapshots?|rows|records|pages?)\b|(could not|cannot|failed to)"
    r" (load|read|download|fetch|open)|\b(nothing|none|not) .*\b(delivered|arrived|come|received|uploaded)"
    r"|\d (days?|hours?) (old|late|behind)|\b(stale|outdated) (\w+ )?(data|export|file|feed|snapshot|deliver(y|ies))\b"
    r"|not (been )?(updated|refreshed|modified) (for|since)|\bnot mounted"
    r"|(access|permission) denied|unauthori[sz]ed|forbidden|(login|authentication) failed|expired)"
)
