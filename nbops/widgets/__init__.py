"""Live forms of views, out of the widgets that JupyterLab, Notebook and their kin bring along: ipywidgets' own, and no others.

What they draw is what the view itself draws. Each is registered as an entry point `nbops.live_views`; nothing below knows them.
"""
