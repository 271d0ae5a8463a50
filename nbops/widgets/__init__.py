"""Live forms of views, out of ipywidgets' own widgets and no others.

Each is registered as an entry point `nbops.live_views`; nothing below knows them.
"""
