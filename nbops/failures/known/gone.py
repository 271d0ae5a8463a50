"""Names that widely used libraries had once and have no more: who uses them needs an older version, or newer code.

Nothing else tells them from misspelled ones. Out come patterns of what an AttributeError and a TypeError say of them.
"""

from __future__ import annotations

_METHODS = {
    # pandas and polars
    "DataFrame|Series|Index|DatetimeIndex|MultiIndex|DataFrameGroupBy|SeriesGroupBy|Styler|Timestamp|LazyFrame|Expr": (
        "append|iteritems|ix|as_matrix|get_value|set_value|lookup|mad|slice_shift|tshift|applymap|to_panel|from_csv|convert_objects"
        "|sortlevel"
        "|clip_lower|clip_upper|get_dtype_counts|weekofyear|week|is_monotonic|as_blocks|get_values|ftypes|ftype|swapaxes|pad|backfill|sort"
        "|to_msgpack|is_all_dates|is_mixed|hide_index|hide_columns|set_na_rep|irow|icol|iget|select|is_copy|freq|delta|first|last|bool"
        "|groupby|groupby_dynamic|groupby_rolling|with_column|with_columns_seq|apply|map|with_row_count|frame_equal|series_equal|fetch"
        "|cleared|take_every|melt|suffix|prefix|is_not|cumsum|cumprod|cummax|cummin|where"
    ),
    "Engine": "execute|table_names|has_table|run_callable|scalar|transaction",
    r"\w*(Vectorizer|Encoder|Features|Transformer|Scaler|Imputer|Pipeline|Union|PCA)": "get_feature_names|categorical_features"
    "|active_features_",
    r"\w*(Classifier|Regressor|Regression|Sequential|Functional|Model|Booster)": (
        "predict_classes|predict_proba_classes|loss_|n_features_|base_estimator_|fit_generator|predict_generator|evaluate_generator"
        "|best_ntree_limit"
    ),
    r"\w*Axes\w*|\w*Figure|Legend": "get_axis_bgcolor|set_axis_bgcolor|hold|is_first_col|is_last_row|legendHandles|set_color_cycle",
    r"\w*Graph": "node|nodes_iter|edges_iter|add_path|add_cycle|selfloop_edges",
    r"[\w.]*ndarray|[\w.]*dtype\W?|RandomState": "itemset|newbyteorder|ptp|random_integers|tostring",
    r"\w*Thread|Event|\w*Element|[\w.]*array|Flask": "isAlive|isSet|getchildren|getiterator|tostring|fromstring|before_first_request",
}
_OF_MODULES = {
    "numpy": (
        "float_|bool8|NaN|NAN|Inf|PINF|NINF|Infinity|infty|PZERO|NZERO|in1d|trapz|product|cumproduct|alltrue|sometrue|asscalar|msort"
        "|row_stack"
        "|complex_|unicode_|string_|cfloat|singlecomplex|longcomplex|longfloat|clongfloat|object0|int0|uint0|void0|str0|bytes0|mat|asfarray"
        "|find_common_type|issubclass_|issctype|maximum_sctype|obj2sctype|sctypes|sctype2char|cast|source|who|lookfor|safe_eval|byte_bounds"
        "|compat|disp|geterrobj|seterrobj|recfromcsv|recfromtxt|deprecate|nbytes|add_newdoc|round_|float|int|bool|object|str|long|unicode"
        "|complex|rank|MachAr|fastCopyAndTranspose|set_numeric_ops"
    ),
    "collections": (
        "Mapping|MutableMapping|Sequence|MutableSequence|Iterable|Iterator|Callable|Hashable|Set|MutableSet|Sized|Container|Generator"
        "|KeysView"
        "|ValuesView|ItemsView|MappingView|Awaitable|Coroutine"
    ),
    r"time|inspect|asyncio|fractions|platform|string|base64|ssl|pkgutil|cgi|unittest|xml[.\w]*|html": (
        "clock|getargspec|formatargspec|coroutine|gcd|linux_distribution|dist|encodestring|decodestring|wrap_socket|match_hostname"
        "|ImpImporter|find_loader|get_loader|escape|makeSuite|letters|maketrans|atoi|cElementTree"
    ),
    r"pandas[.\w]*": r"Panel|Panel4D|Term|datetime|np|rolling_\w+|ewma|scatter_matrix|TimeGrouper|Int64Index|Float64Index|UInt64Index"
    r"|value_counts",
    r"polars[.\w]*": "apply|cumsum|cumfold|avg|toggle_string_cache",
    r"scipy[.\w]*": (
        "simps|trapz|cumtrapz|romberg|quadrature|imread|imsave|imresize|toimage|comb|factorial|logsumexp|hann|hamming|gaussian|kaiser"
        "|blackman"
        "|interp|rand|randn|array|median_absolute_deviation|itemfreq|binom_test|betai|chisqprob|signaltonoise|cwt|ricker"
    ),
    r"sklearn[.\w]*": "cross_validation|grid_search|plot_confusion_matrix|plot_roc_curve|plot_partial_dependence|if_delegate_has_method",
    r"matplotlib[.\w]*|seaborn": "get_cmap|register_cmap|finance|hold|csv2rec|normpdf|distplot|factorplot|tsplot",
    "networkx": "info|from_numpy_matrix|to_numpy_matrix|from_pandas_dataframe|connected_component_subgraphs|write_gpickle|read_gpickle",
    r"tensorflow[.\w]*|keras[.\w]*": "Session|placeholder|contrib|global_variables_initializer|get_default_graph|ConfigProto",
    r"markupsafe|werkzeug[.\w]*|flask[.\w]*|jinja2|torch[.\w]*|PIL[.\w]*|plotly[.\w]*": (
        "soft_unicode|url_quote|JSONEncoder|contextfunction|Markup|environmentfilter|ANTIALIAS|LINEAR|CUBIC|_six|btrifact|gesv|symeig|rfft"
    ),
}
_ARGUMENTS = (
    # pandas and polars
    "error_bad_lines|warn_bad_lines|squeeze|line_terminator|mangle_dupe_cols|infer_datetime_format|date_parser|keep_date_col"
    "|delim_whitespace"
    "|tupleize_cols|skip_footer|join_axes|datetime_is_numeric|check_less_precise|fill_method|null_counts|loffset|is_copy|try_cast"
    "|raise_on_error|use_inf_as_na|row_count_name|row_count_offset|dtypes|join_nulls"
    # scikit-learn and boosters
    "|sparse|normalize|base_estimator|affinity|early_stopping_rounds|eval_metric|callbacks|silent|evals_result|verbose_eval|presort"
    "|min_impurity_split|iid|multi_class|precompute_distances|categorical_features|use_label_encoder|squared|needs_proba|needs_threshold"
    # NumPy, SQLAlchemy, plots, networks
    "|interpolation|autoload|convert_unicode|normed|basex|basey|nonposx|nonposy|axisbg|shade|method_whitelist|loop|lr"
)


def _either(table: dict[str, str], text: str) -> str:
    return "|".join(text % (kinds, names) for kinds, names in table.items())


ATTRIBUTES = "|".join(
    (
        _either(_METHODS, r"^'(?:%s)' object has no attribute '(?:%s)'"),
        _either(_OF_MODULES, r"^module '(?:%s)' has no attribute '(?:%s)'"),
    )
)
ARGUMENTS = (
    rf"got an unexpected keyword argument '(?:{_ARGUMENTS})'"
    r"|\b(?:fillna|replace|reindex)\(\) got an unexpected keyword argument 'method'"
    r"|\b(?:sum|mean|max|min|count|std|var|median|prod)\(\) got an unexpected keyword argument 'level'|^(?:load"
    r"|load_all)\(\) missing 1 required positional argument: 'Loader'"
)
