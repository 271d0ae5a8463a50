"""What people see: plain values become HTML tables, inline SVG plots and terminal tables.

Nothing here reads a store, a setting, a clock or the network. `Column` and `Cell` describe a table once for `html` and `text`;
`svg` draws; `values` turns one plain value into short text.
"""
