"""What people hold: a workspace, its runs, models and versions. They delegate, nothing more."""
