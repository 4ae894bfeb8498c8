"""Releases as Python reads them: data sets of clips, tables and frames. `heterodub.open_workspace` is the way in."""
