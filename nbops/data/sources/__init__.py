"""Where data comes from: declarations of sources, and what brings their bytes or rows into a folder as files."""
