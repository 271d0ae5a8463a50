"""Which types a model file may hold, and how much a file may unpack to: the loader's list, never the file's.

Three guards stand before anything is built: the limits of the archive, the list of types, and the rule that a type stands only
where it was reviewed; one stands behind it, `structure.check_structure`. Nothing read from an archive ever widens what is trusted.

**The rule of place.** skops would also call any name of the list as if it were a list type, with any arguments the file holds. So
each name here carries the node kinds ("loaders") that it may appear under, two nodes may not share an id, and the keys of a
dictionary are made by plain types only. So loading calls nothing but `__new__` and `__setstate__` of reviewed classes, and no function.
"""

from __future__ import annotations

import io
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from nbops.errors import ModelError, TrustRefused
from nbops.security.structure import check_structure

MEMBERS = 100_000
"""Files in an archive; a forest of 10,000 trees has 50,000."""
CEILING = 8 << 30
"""Bytes that any archive may unpack to."""
RATIO, ROOM = 200, 32 << 20
"""Beyond `ROOM` bytes an archive may unpack to `RATIO` times its size; real models were measured at 3 to 26 times."""
SCHEMA_RATIO, SCHEMA_ROOM = 100, 4 << 20
"""The same for each JSON and text alone, as these become some twenty times their size in memory; measured at 22 to 48."""

_SCHEMA = "schema.json"

# loaders, module, names. A name that the installed scikit-learn lacks does no harm: nothing is imported.
_GROUPS: tuple[tuple[str, str, str], ...] = (
    # Compiled arrays of nodes, whose indices structure.py checks after the load.
    ("TreeNode", "sklearn.tree._tree", "Tree"),
    ("ObjectNode", "sklearn.ensemble._hist_gradient_boosting.predictor", "TreePredictor"),
    ("ObjectNode", "sklearn.neighbors._kd_tree", "KDTree"),
    ("ObjectNode", "sklearn.neighbors._ball_tree", "BallTree"),
    # Distances: arrays of weights and compiled arithmetic. Without PyFuncDistance, which holds a function.
    (
        "ObjectNode",
        "sklearn.metrics._dist_metrics",
        (
            "BrayCurtisDistance64 CanberraDistance64 ChebyshevDistance64 DiceDistance64 EuclideanDistance64 HammingDistance64"
            " HaversineDistance64 JaccardDistance64 MahalanobisDistance64 ManhattanDistance64 MinkowskiDistance64"
            " RogersTanimotoDistance64 RussellRaoDistance64 SEuclideanDistance64 SokalSneathDistance64"
        ),
    ),
    # Python objects of numbers, arrays and estimators, which are checked in turn. None runs anything when restored.
    ("ObjectNode", "sklearn._loss.loss", "HalfTweedieLoss HalfTweedieLossIdentity"),
    ("ObjectNode", "sklearn.calibration", "_CalibratedClassifier _SigmoidCalibration _TemperatureScaling"),
    ("ObjectNode", "sklearn.cluster._bisect_k_means", "_BisectingTree"),
    ("ObjectNode", "sklearn.compose._column_transformer", "make_column_selector _RemainderColsList"),
    ("ObjectNode", "sklearn.gaussian_process._gpc", "_BinaryGaussianProcessClassifierLaplace"),
    (
        "ObjectNode",
        "sklearn.gaussian_process.kernels",
        (
            "CompoundKernel ConstantKernel DotProduct ExpSineSquared Exponentiation Matern PairwiseKernel Product RBF"
            " RationalQuadratic Sum WhiteKernel"
        ),
    ),
    ("ObjectNode", "sklearn.impute._iterative", "IterativeImputer"),
    ("TupleNode", "sklearn.impute._iterative", "_ImputerTriplet"),
    ("ObjectNode", "sklearn.linear_model._ridge", "_IdentityClassifier _IdentityRegressor"),
    ("ObjectNode", "sklearn.multiclass", "_ConstantPredictor"),
    ("ObjectNode", "sklearn.model_selection._search_successive_halving", "HalvingGridSearchCV HalvingRandomSearchCV"),
    ("ObjectNode", "sklearn.neural_network._stochastic_optimizers", "AdamOptimizer SGDOptimizer"),
    ("ObjectNode", "sklearn.utils._metadata_requests", "MetadataRequest MethodMetadataRequest"),
    ("DictNode", "sklearn.utils._bunch", "Bunch"),
    # How a search split its rows and what it scored with: not used when predicting.
    (
        "ObjectNode TypeNode",
        "sklearn.model_selection._split",
        (
            "GroupKFold GroupShuffleSplit KFold LeaveOneGroupOut LeaveOneOut LeavePGroupsOut LeavePOut PredefinedSplit"
            " RepeatedKFold RepeatedStratifiedKFold ShuffleSplit StratifiedGroupKFold StratifiedKFold StratifiedShuffleSplit"
            " TimeSeriesSplit"
        ),
    ),
    ("ObjectNode", "sklearn.metrics._scorer", "_CurveScorer _MultimetricScorer _PassthroughScorer _Scorer"),
    # Functions from arrays to numbers: they read no file, run no text, import nothing and keep nothing.
    ("FunctionNode", "sklearn.metrics._scorer", "negative_likelihood_ratio positive_likelihood_ratio"),
    (
        "FunctionNode",
        "sklearn.metrics._classification",
        (
            "accuracy_score balanced_accuracy_score brier_score_loss class_likelihood_ratios cohen_kappa_score d2_brier_score"
            " d2_log_loss_score f1_score fbeta_score hamming_loss hinge_loss jaccard_score log_loss matthews_corrcoef"
            " precision_score recall_score zero_one_loss"
        ),
    ),
    (
        "FunctionNode",
        "sklearn.metrics._ranking",
        (
            "average_precision_score coverage_error dcg_score label_ranking_average_precision_score label_ranking_loss"
            " ndcg_score roc_auc_score top_k_accuracy_score"
        ),
    ),
    (
        "FunctionNode",
        "sklearn.metrics._regression",
        (
            "d2_absolute_error_score d2_pinball_score d2_tweedie_score explained_variance_score max_error mean_absolute_error"
            " mean_absolute_percentage_error mean_gamma_deviance mean_pinball_loss mean_poisson_deviance mean_squared_error"
            " mean_squared_log_error mean_tweedie_deviance median_absolute_error r2_score root_mean_squared_error"
            " root_mean_squared_log_error"
        ),
    ),
    (
        "FunctionNode",
        "sklearn.metrics.cluster._supervised",
        (
            "adjusted_mutual_info_score adjusted_rand_score completeness_score fowlkes_mallows_score homogeneity_score"
            " mutual_info_score normalized_mutual_info_score rand_score v_measure_score"
        ),
    ),
    ("FunctionNode", "sklearn.feature_selection._univariate_selection", "chi2 f_classif f_regression r_regression"),
    ("FunctionNode", "sklearn.feature_selection._mutual_info", "mutual_info_classif mutual_info_regression"),
    ("FunctionNode", "sklearn.cluster._kmeans", "_kmeans_single_elkan _kmeans_single_lloyd"),
    ("FunctionNode", "sklearn.utils.validation", "check_array"),
    ("FunctionNode", "numpy", "amax amin around clip max mean median min nan_to_num round std sum var"),
    ("FunctionNode", "scipy._lib.array_api_compat.numpy._aliases", "asarray"),
    # Estimators around a booster, which comes as a file of its own library and is checked in boosters.py; `Native` stands for it.
    ("ObjectNode", "nbops.registry.natives", "Native"),
    ("ObjectNode", "xgboost.sklearn", "XGBClassifier XGBModel XGBRFClassifier XGBRFRegressor XGBRanker XGBRegressor"),
    ("ObjectNode", "lightgbm.sklearn", "LGBMClassifier LGBMModel LGBMRanker LGBMRegressor"),
    ("DictNode TypeNode", "collections", "OrderedDict"),
    # What it holds is checked, and making one calls nothing.
    ("PartialNode", "functools", "partial"),
    # Data of numpy and scipy. Not scipy.stats: the distributions run text of their own state when they are restored.
    ("DTypeNode", "numpy", "dtype"),
    ("TypeNode", "numpy", "floating integer number"),
    ("TypeNode", "builtins", "object"),
    ("ObjectNode", "scipy.interpolate._bsplines", "BSpline"),
    ("SparseMatrixNode", "scipy.sparse._bsr", "bsr_array bsr_matrix"),
    ("SparseMatrixNode", "scipy.sparse._coo", "coo_array coo_matrix"),
    ("SparseMatrixNode", "scipy.sparse._csc", "csc_array csc_matrix"),
    ("SparseMatrixNode", "scipy.sparse._csr", "csr_array csr_matrix"),
    ("SparseMatrixNode", "scipy.sparse._dia", "dia_array dia_matrix"),
)


def _reviewed() -> Mapping[str, frozenset[str]]:
    names: dict[str, frozenset[str]] = {}
    for loaders, module, listed in _GROUPS:
        names.update({f"{module}.{name}": frozenset(loaders.split()) for name in listed.split()})
    return MappingProxyType(names)


REVIEWED = _reviewed()
"""Full name -> the skops loaders that it may appear under: what we trust beyond skops' own list."""

_DAMAGE = (
    AttributeError, EOFError, ImportError, IndexError, KeyError, MemoryError, OSError, OverflowError, RuntimeError, SyntaxError,
    TypeError, ValueError, struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What zipfile, json, numpy and skops raise on bytes that are not what they should be."""


def check_archive(data: bytes) -> None:
    """Refuse `data` unless it is a zip archive within the limits: members, bytes, plain names, nothing encrypted. Raises ModelError."""
    unzip(data)


def check_directory(data: bytes) -> None:
    """The part of `check_archive` that inflates nothing. Raises ModelError."""
    _directory(data, _room(data))


def unzip(data: bytes) -> dict[str, bytes]:
    """Name -> content of every member, read no further than the limits of `check_archive` allow.

    Archives inside (a sparse matrix is kept as one) share the room of the whole. Raises ModelError.
    """
    room = _room(data)
    infos = _directory(data, room)
    room -= sum(info.file_size for info in infos)
    members, end, view = {}, 0, memoryview(data)
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < end:
            raise _refused(f"the file {info.filename!r} in it begins inside another one")
        try:
            members[info.filename], end = _read(view, info)
        except _DAMAGE as error:
            raise _refused(f"it cannot be read ({type(error).__name__}: {error})") from error
    for name, content in members.items():
        if name.endswith(".npz"):
            room -= sum(info.file_size for info in _directory(content, room))
    return members


def untrusted(data: bytes) -> list[str]:
    """The full names, sorted, that a skops archive holds and neither skops nor we trust; nothing is imported or built.

    Raises ModelError when `data` is not a skops archive or breaks a limit.
    """
    return untrusted_in(unzip(data))


def untrusted_in(members: Mapping[str, bytes]) -> list[str]:
    """The same for the members of an archive."""
    try:
        read = _read_tree(members)
    except ModelError:
        raise
    except _DAMAGE as error:
        raise _refused(f"it is not a skops file ({type(error).__name__}: {error})") from error
    return sorted(read.unknown - read.placed)


def load(members: Mapping[str, bytes], *, trust: Collection[str] = (), modules: Collection[str] = ()) -> object:
    """The object in the members of a skops archive.

    `trust` holds full names that a person vouched for, `modules` the names of modules trusted whole. Raises TrustRefused
    naming every type that nobody vouched for, before anything is imported, and ModelError for what cannot be built.
    """
    try:
        read = _read_tree(members)
        vouched = {*trust} | {name for name in read.names if name.rpartition(".")[0] in modules}
        if refused := sorted(read.unknown - read.placed - vouched):
            raise TrustRefused(
                f"The model holds what nobody vouched for: {', '.join(refused)}.",
                hint=f"If you know who made it and what it does, pass trust={refused!r}.",
            )
        model: object = read.tree.construct()
    except ModelError:
        raise
    except _DAMAGE as error:
        raise ModelError(
            f"The model cannot be rebuilt: {type(error).__name__}: {error}",
            hint="Load it with the versions of scikit-learn and skops that its manifest names, or train it again.",
        ) from error
    check_structure(model)
    return model


def _room(data: bytes) -> int:
    return min(CEILING, max(ROOM, RATIO * len(data)))


def _directory(data: bytes, room: int) -> list[zipfile.ZipInfo]:
    """The entries of a zip archive, refused when they break a rule or need more than `room` bytes."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
    except _DAMAGE as error:
        raise _refused(f"it is not a zip archive ({error})") from error
    if len(infos) > MEMBERS:
        raise _refused(f"it has {len(infos):,} files, and {MEMBERS:,} are allowed")
    if len({info.filename for info in infos}) < len(infos):
        raise _refused("two of its files have the same name")
    for info in infos:
        _check_entry(info)
    size = sum(info.file_size for info in infos)
    if size > room:
        raise _refused(f"it unpacks to {size:,} bytes, and {room:,} are allowed for its size")
    return infos


def _check_entry(info: zipfile.ZipInfo) -> None:
    # orig_filename shows what zipfile tidied away.
    if info.filename in {"", ".", ".."} or {*info.orig_filename} & {*"/\\:\0"}:
        raise _refused(f"the file {info.orig_filename!r} in it has a path for a name")
    if info.flag_bits & 0x1:
        raise _refused(f"the file {info.filename!r} in it is encrypted")
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise _refused(f"the file {info.filename!r} in it is compressed in a way that is not used here")
    text = info.filename.endswith((".json", ".txt"))
    if text and info.file_size > max(SCHEMA_ROOM, SCHEMA_RATIO * info.compress_size):
        raise _refused(f"its {info.filename} unpacks from {info.compress_size:,} to {info.file_size:,} bytes")


def _read(data: memoryview, info: zipfile.ZipInfo) -> tuple[bytes, int]:
    """A member's content, and where it ends in the archive; inflated no further than the directory says. Raises one of `_DAMAGE`."""
    start = info.header_offset
    # Zipfile does the same for a member, in five times the time; a model has hundreds.
    signature, flags, name_size, extra_size = _LOCAL.unpack(data[start : start + _LOCAL.size])
    name = bytes(data[start + _LOCAL.size : start + _LOCAL.size + name_size])
    if signature != b"PK\3\4" or name.decode("utf-8" if flags & _UTF8 else "cp437") != info.orig_filename:
        raise zipfile.BadZipFile(f"{info.filename!r} is not where the directory says")
    start += _LOCAL.size + name_size + extra_size
    end = start + info.compress_size
    packed = data[start:end]
    if info.compress_type == zipfile.ZIP_STORED:
        content, whole = bytes(packed), True
    else:
        inflating = zlib.decompressobj(-zlib.MAX_WBITS)
        # 0 would mean: without a limit.
        content = inflating.decompress(packed, info.file_size + 1)
        whole = inflating.eof
    if not whole or len(content) != info.file_size or zlib.crc32(content) != info.CRC:
        raise zipfile.BadZipFile(f"{info.filename!r} is not what the directory says")
    return content, end


_LOCAL = struct.Struct("<4s2xH18xHH")
"""The head of a file in a zip archive: signature, flags, sizes of the name and of what is extra (APPNOTE 4.3.7)."""
_UTF8 = 0x800


class _Tree(NamedTuple):
    """A schema that was read and of which nothing is built: what skops does not trust, what stands where it was reviewed, all names."""

    tree: Any
    unknown: set[str]
    placed: set[str]
    names: set[str]


def _read_tree(members: Mapping[str, bytes]) -> _Tree:
    # The steps of skops.io.loads, which would unpack an archive by itself: so the schema that is scanned is the very one that is built.
    from skops.io._audit import get_tree
    from skops.io._utils import read_schema

    schema, context = read_schema(_Source(members))
    placed, names = _scan(schema)
    tree = get_tree(schema, context, trusted=None)
    return _Tree(tree, tree.get_unsafe_set(), placed, names)


class _Source:
    """What skops takes for an open archive."""

    def __init__(self, members: Mapping[str, bytes]) -> None:
        self._members = members

    def read(self, name: str) -> bytes:
        return self._members[name]


def _scan(schema: object) -> tuple[set[str], set[str]]:
    """The reviewed names in a schema that stand only where they may, and all names."""
    placed: set[str] = set()
    misplaced: set[str] = set()
    kinds: dict[object, tuple[str, str, bool]] = {}
    marked: set[int] = set()
    names: set[str] = set()
    stack: list[Any] = [schema]
    while stack:
        node = stack.pop()
        if type(node) is dict:
            loader = node.get("__loader__")
            if type(loader) is str:
                name = f"{node.get('__module__')}.{node.get('__class__')}"
                names.add(name)
                if name in REVIEWED:
                    (placed if loader in REVIEWED[name] else misplaced).add(name)
                # skops takes a node with a known id for the first one of that id, whatever else it says.
                kind = (loader, name, id(node) in marked)
                identity = node.get("__id__")
                if identity is not None and kinds.setdefault(identity, kind) != kind:
                    raise _tampered(f"gives one identity to two objects ({kinds[identity][1]}, {name})")
                _check_node(node, name, marked)
            stack += node.values()
        elif type(node) is list:
            stack += node
    return placed - misplaced, names


def _check_node(node: dict[str, Any], name: str, marked: set[int]) -> None:
    if "key_types" in node:
        loaders = _loaders(node["key_types"], "ListNode", marked)
        if {*loaders} - {"TypeNode"}:
            raise _tampered("makes the keys of a dictionary with something other than a type")
    if name.startswith(_STATEFUL):
        begins, length = next(rule for start, rule in _STATES.items() if name.startswith(start))
        loaders = _loaders(node["content"], "TupleNode", marked)
        if loaders[: len(begins)] != begins or len(loaders) != length:
            raise _tampered(f"gives a {name} the state of something else")


_TREE = (["NdArrayNode"] * 4 + ["JsonNode"] * 7 + ["ObjectNode"], 13)
_STATES: dict[str, tuple[list[str], int]] = {
    "sklearn.neighbors._kd_tree.": _TREE,
    "sklearn.neighbors._ball_tree.": _TREE,
    "sklearn.metrics._dist_metrics.": (["JsonNode", "NdArrayNode", "NdArrayNode"], 3),
}
"""What the state of compiled classes begins with and how long it is: they crash while they are restored from another."""
_STATEFUL = tuple(_STATES)


def _loaders(node: dict[str, Any], wanted: str, marked: set[int]) -> list[object]:
    """The loaders of the items of a list or tuple node, which is marked: its id must not stand for another one."""
    if node["__loader__"] != wanted:
        raise _tampered(f"has a {node['__loader__']} where a {wanted} belongs")
    marked.add(id(node))
    return [item["__loader__"] for item in node["content"]]


def _tampered(what: str) -> TrustRefused:
    return TrustRefused(
        f"The model's {_SCHEMA} {what}.", hint="No program writes that by itself: do not load this file."
    )


def _refused(why: str) -> ModelError:
    return ModelError(
        f"The model file is refused: {why}.",
        hint="A model comes as the .skops file that nbops or skops wrote, unchanged. Get it again from where it was made.",
    )
